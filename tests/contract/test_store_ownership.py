"""One process for one work, on TimescaleDB and on plain PostgreSQL."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from hubwatch_core.process import Context
from hubwatch_store.database import connect
from hubwatch_store.ownership import NameLost, NameTaken, Owner, WorkClaim, owner, still_ours
from hubwatch_store.ownership.machine import began, this_process
from support.alarms_database import Hands, hands_on, settings_of
from support.eventually import eventually
from support.proxy import Proxy

ALL = WorkClaim("detectors", "detectors")


@pytest.fixture
def hands(migrated_database: str) -> Iterator[Hands]:
    with hands_on(migrated_database) as made:
        yield made


@asynccontextmanager
async def owning(dsn: str, claim: WorkClaim = ALL) -> AsyncIterator[tuple[Owner, Context]]:
    """Run an owner that has its work, to its ordered end."""
    context, stop = Context.make("test"), asyncio.Event()
    one = Owner(settings_of(dsn), claim, context)
    task = asyncio.create_task(one.run(stop))
    try:
        await eventually(one.held.is_set)
        yield one, context
    finally:
        stop.set()
        with suppress(NameTaken):
            async with asyncio.timeout(60):
                await task


async def refusal(dsn: str, claim: WorkClaim) -> str:
    with pytest.raises(NameTaken) as told:
        async with asyncio.timeout(60):
            await Owner(settings_of(dsn), claim, Context.make("test")).run(asyncio.Event())
    return str(told.value)


def elsewhere(hands: Hands, token: str = "other", **more: Any) -> None:
    """Leave what a process of another machine leaves that lost its power."""
    row = {"token": token, "kind": "detectors", "name": "detectors", "hubs": [], "host": "hub-2", "pid": 77}
    row |= {"machine": "another", "began": 1} | more
    names = ", ".join(row)
    hands.connection.execute(
        f"INSERT INTO process_owner ({names}) VALUES ({', '.join(['%s'] * len(row))})".encode(), list(row.values())
    )


def owners(hands: Hands) -> list[str]:
    return [row["token"] for row in hands.rows("SELECT token FROM process_owner ORDER BY since, token")]


def check(context: Context, kind: str = "detectors") -> Any:
    checks: Any = context.health.report()["checks"]
    return checks[f"{kind}-owner"]


async def test_second_process_is_refused_in_words_and_the_first_one_says_so(
    hands: Hands, migrated_database: str
) -> None:
    async with owning(migrated_database) as (first, context):
        told = await refusal(migrated_database, ALL)
        here = this_process()
        assert f"process {here.pid} on {here.host}, since 20" in told
        assert "Stop that one first" in told
        assert first.held.is_set()
        await eventually(lambda: "refused to 1 other starts" in check(context)["detail"])
        assert check(context)["ok"]
        assert context.registry.get_sample_value("hubwatch_detectors_second_process_refused_total") == 1
    assert owners(hands) == []


async def test_work_of_different_hubs_is_shared_and_what_overlaps_is_refused(
    hands: Hands, migrated_database: str
) -> None:
    north, south = WorkClaim("detectors", "north", ("a", "b")), WorkClaim("detectors", "south", ("c",))
    async with owning(migrated_database, north), owning(migrated_database, south):
        assert len(owners(hands)) == 2
        told = await asyncio.gather(
            *(
                refusal(migrated_database, claim)
                for claim in (ALL, WorkClaim("detectors", "third", ("d", "b")), WorkClaim("detectors", "south", ("e",)))
            )
        )
        assert "detectors north of a, b is run by" in told[0]
        assert "detectors south of c is run by" in told[0]
        assert "south" not in told[1]
        assert "detectors south of c is run by" in told[2]
        async with owning(migrated_database, WorkClaim("alarms", "alarms")):
            assert len(owners(hands)) == 3


async def test_refusal_names_who_was_not_heard_yet_and_does_not_say_it_runs(
    hands: Hands, migrated_database: str
) -> None:
    elsewhere(hands, name="south", hubs=["c"])
    async with owning(migrated_database, WorkClaim("detectors", "north", ("a", "b"))):
        told = await refusal(migrated_database, ALL)
    north, south = told.split("; ")
    assert "detectors north of a, b is run by" in north
    assert "no sign" not in north
    assert "detectors south of c is run by process 77 on hub-2" in south
    assert "no sign" in south


async def test_where_only_the_name_counts_others_work_beside_it(hands: Hands, migrated_database: str) -> None:
    async with (
        owning(migrated_database, WorkClaim("collector", "one", None)),
        owning(migrated_database, WorkClaim("collector", "two", None)),
    ):
        assert "collector two is run by" in await refusal(migrated_database, WorkClaim("collector", "two", None))


async def test_name_of_a_process_that_has_ended_on_this_machine_is_free_at_once(
    hands: Hands, migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "SILENT_S", 3600.0)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
    start = began(child.pid)
    child.kill()
    await child.wait()
    elsewhere(hands, machine=this_process().machine, pid=child.pid, began=start)
    async with owning(migrated_database) as (one, _):
        assert owners(hands) == [one.token]


async def test_name_of_a_machine_without_power_is_free_after_a_time_without_a_beat(
    hands: Hands, migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "SILENT_S", 1.0)
    began_at = asyncio.get_running_loop().time()
    elsewhere(hands)
    async with owning(migrated_database) as (one, _):
        assert asyncio.get_running_loop().time() - began_at >= 1.0
        assert owners(hands) == [one.token]


async def test_clock_of_the_database_set_back_or_forward_frees_nothing_and_holds_nothing(
    hands: Hands, migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "SILENT_S", 1.0)
    elsewhere(hands, since="2090-01-01")
    async with owning(migrated_database) as (one, _):
        hands.rows("UPDATE process_owner SET since = '1990-01-01' RETURNING token")
        await refusal_of_a_beating_owner(migrated_database)
        assert owners(hands) == [one.token]


async def refusal_of_a_beating_owner(dsn: str) -> None:
    # SILENT_S is shorter here than the time between two beats, so look with the real one.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, "SILENT_S", 15.0)
        assert "since 1990" in await refusal(dsn, ALL)


async def test_who_was_taken_for_dead_writes_nothing_more_and_ends(
    hands: Hands, migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "BEAT_S", 3600.0)
    context, stop = Context.make("test"), asyncio.Event()
    sleeper = Owner(settings_of(migrated_database), ALL, context)
    asleep = asyncio.create_task(sleeper.run(stop))
    await eventually(sleeper.held.is_set)
    monkeypatch.setattr(owner, "SILENT_S", 1.0)
    monkeypatch.setattr(owner, "BEAT_S", 0.2)
    async with owning(migrated_database):
        async with await connect(settings_of(migrated_database)) as connection, connection.transaction():
            with pytest.raises(NameLost):
                await still_ours(connection, sleeper.token)
        stop.set()  # as if its sleep were over: it ends without touching what the other one has
        await asleep
        assert len(owners(hands)) == 1
    assert owners(hands) == []


async def test_nobody_takes_the_name_while_a_transaction_of_its_owner_runs(
    hands: Hands, migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "SILENT_S", 0.6)
    elsewhere(hands)
    connection = await connect(settings_of(migrated_database))
    async with connection:
        async with connection.transaction():
            await still_ours(connection, "other")
            taker = asyncio.create_task(_held_within(migrated_database, 20))
            await eventually(lambda: waits_for_a_lock(hands))
            assert owners(hands) == ["other"]
        assert await taker


async def _held_within(dsn: str, seconds: float) -> bool:
    async with asyncio.timeout(seconds), owning(dsn) as (one, _):
        return one.held.is_set()


def waits_for_a_lock(hands: Hands) -> bool:
    return bool(
        hands.rows(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND query LIKE '%%process_owner%%'"
        )
    )


async def test_work_begins_anew_when_the_name_was_lost_and_is_ours_again(
    hands: Hands, migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "BEAT_S", 0.1)
    begun: list[str] = []

    async def work(stop: asyncio.Event) -> None:
        begun.append("begun")
        await stop.wait()
        begun.append("ended")

    stop = asyncio.Event()
    running = asyncio.create_task(
        Owner(settings_of(migrated_database), ALL, Context.make("test")).run_with(work, stop, has_state=True)
    )
    await eventually(lambda: begun == ["begun"])
    hands.rows("DELETE FROM process_owner RETURNING token")  # as after a failover to a standby that was behind
    await eventually(lambda: begun == ["begun", "ended", "begun"])
    assert len(owners(hands)) == 1
    stop.set()
    await running
    assert owners(hands) == []


async def test_session_that_never_answers_is_thrown_away_and_the_name_kept(
    hands: Hands, migrated_plain_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "ANSWER_S", 0.5)
    monkeypatch.setattr(owner, "BEAT_S", 0.1)
    info = hands.connection.info
    async with Proxy(str(info.host), int(info.port)) as proxy:
        dsn = f"postgresql://{info.user}@{proxy.address[0]}:{proxy.address[1]}/{info.dbname}"
        async with owning(dsn) as (one, context):
            proxy.stall()
            await eventually(lambda: not check(context)["ok"])
            await proxy.heal()
            await eventually(lambda: check(context)["ok"])
            assert one.held.is_set()
            assert not one.lost.is_set()
            assert owners(hands) == [one.token]
