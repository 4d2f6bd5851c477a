"""Two alarm processes on one database, killed anywhere: nobody goes untold, and nobody is told twice unawares."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from support.alarms_database import hands_on
from support.alarms_told_model import WhoIsTold, World
from support.alarms_two_processes import two_processes

SETTINGS = settings(max_examples=12, stateful_step_count=20, suppress_health_check=list(HealthCheck))


def test_two_processes_that_die_anywhere_lose_nothing_and_tell_nothing_twice_unawares(migrated_plain_dsn: str) -> None:
    with asyncio.Runner() as runner, hands_on(migrated_plain_dsn) as hands:
        context = two_processes(migrated_plain_dsn)
        processes = runner.run(context.__aenter__())
        try:

            class Told(WhoIsTold):
                world = World(runner, hands, processes)

            run_state_machine_as_test(Told, settings=SETTINGS)
        finally:
            runner.run(context.__aexit__(None, None, None))
