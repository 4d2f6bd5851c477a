"""The tests of alarms can fail: each small fault put into a copy of the code is noticed by them."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from hubwatch_alarms.mover import Mover
from hubwatch_alarms.oncall.escalation import Escalations
from support import alarms_transitions
from support.alarms_database import Hands, hands_on
from support.alarms_mutants import Mutant, mutants
from support.alarms_told_model import TAKEN, WhoIsTold, World
from support.alarms_two_processes import STEP_S, Cut, two_processes

QUICK = settings(
    max_examples=60,
    stateful_step_count=40,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        yield made


def copy_of(name: str) -> ModuleType:
    """Return a test module under another name, so that nothing of the true one is touched."""
    file = Path(__file__).parents[1] / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"for_mutants_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain_tests(module: ModuleType) -> list[Callable[[], None]]:
    """Return the tests of a module that take nothing."""
    return [
        test
        for name, test in vars(module).items()
        if name.startswith("test_") and not inspect.signature(test).parameters
    ]


def is_caught(lifecycle: ModuleType, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether the table of the reference, the unit tests or the property test notice a lifecycle."""
    right = alarms_transitions.markdown()
    units, machine = copy_of("unit/test_alarms_lifecycle"), copy_of("property/test_alarms_lifecycle")
    for module in (alarms_transitions, units, machine):
        monkeypatch.setattr(module, "move", lifecycle.move)
        monkeypatch.setattr(module, "MoveRefused", lifecycle.MoveRefused)
    if alarms_transitions.markdown() != right:
        return True
    try:
        for test in plain_tests(units):
            test()
        run_state_machine_as_test(machine.Lifecycle, settings=QUICK)
    except (AssertionError, BaseExceptionGroup, lifecycle.MoveRefused, pytest.fail.Exception):
        return True
    return False


@pytest.mark.parametrize("mutant", mutants("lifecycle"), ids=lambda mutant: mutant.fault)
def test_fault_in_the_lifecycle_is_noticed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_caught(mutant.made(), monkeypatch)


def story(machine: WhoIsTold) -> None:
    """Play a small shift in which a process dies, and everything that the property test expects of it."""
    expectations = (
        machine.each_detection_is_of_one_alarm_and_in_its_journal_once,
        machine.nothing_known_to_be_delivered_waits,
        machine.who_has_an_alarm_ends_its_escalation,
    )

    def then() -> None:
        for expect in expectations:
            expect()

    for place, exchange in enumerate((7, 13, 19)):
        machine.detected(sensor=1 + place % 2, priority=1 + place % 2)
        machine.round_that_dies(cut=Cut(exchange, done=True), who=0)
        then()
    machine.round(who=0)
    then()
    machine.begin_sending(who=0, route="mail")
    (_, attempt) = machine.on_the_way[0]
    machine.reaches(attempt)
    machine.run(machine.process(0).answered(attempt, TAKEN))
    machine.heard.known_delivered.add(attempt.message.id)
    taken, other = sorted(row["id"] for row in machine.hands.alarms())
    machine.takes(1, "kim", taken)
    machine.round(who=1)
    then()
    machine.time_passes(STEP_S)
    machine.round(who=0)
    machine.round(who=1)
    then()
    assert machine.steps_told() == {other: 1}
    machine.teardown()


def play(dsn: str, hands: Hands, mover: type[Mover] = Mover, escalations: type[Escalations] = Escalations) -> None:
    with asyncio.Runner() as runner:
        context = two_processes(dsn, mover, escalations)
        processes = runner.run(context.__aenter__())
        try:

            class Told(WhoIsTold):
                world = World(runner, hands, processes)

            story(Told())
        finally:
            runner.run(context.__aexit__(None, None, None))


def test_story_is_well_without_a_fault(hands: Hands, migrated_plain_dsn: str) -> None:
    play(migrated_plain_dsn, hands)


def is_noticed(mutant: Mutant, dsn: str, hands: Hands) -> bool:
    module = mutant.made()
    try:
        play(dsn, hands, getattr(module, "Mover", Mover), getattr(module, "Escalations", Escalations))
    except AssertionError:
        return True
    return False


def test_fault_of_mover_and_escalations_is_noticed(hands: Hands, migrated_plain_dsn: str) -> None:
    faults = mutants("mover", "escalation")
    assert [each.fault for each in faults if not is_noticed(each, migrated_plain_dsn, hands)] == []
