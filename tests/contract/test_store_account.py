"""The account on both databases: every sequence number is somewhere, and every gap has a cause."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest

from hubwatch_core.clock import now_us
from hubwatch_store.database import DatabaseSection
from hubwatch_store.ingest import Letter, State, Writer
from support.store_examples import EPOCH, OTHER_EPOCH, birth, event, frame, offer, rows

ACCOUNT = "SELECT published, committed, dead_lettered, evicted, missing, unexplained FROM ledger_account ORDER BY epoch"
GAPS = "SELECT first_seq, last_seq, frames, cause FROM ledger_gaps ORDER BY epoch, first_seq"


@pytest.fixture
async def writer(migrated_database: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_database))
    await made.write([offer(birth())])
    yield made
    await made.close()


def ask(writer: Writer, query: str) -> list[tuple[object, ...]]:
    return rows(writer.settings.dsn, query)


def patience_is_over(writer: Writer) -> None:
    with psycopg.connect(writer.settings.dsn, autocommit=True) as connection:
        connection.execute("UPDATE hubwatch.ledger_grace SET grace = '0 seconds'")


async def store(writer: Writer, *numbers: int, epoch: str = EPOCH, late: bool = False) -> None:
    await writer.write([offer(frame(seq, epoch=epoch, late=late)) for seq in numbers])


async def test_without_gaps_everything_published_is_committed(writer: Writer) -> None:
    await store(writer, 3, 1, 2)
    assert ask(writer, ACCOUNT) == [(3, 3, 0, 0, 0, 0)]
    assert ask(writer, GAPS) == []


async def test_a_fresh_gap_waits_for_its_backlog(writer: Writer) -> None:
    await store(writer, 1, 5)
    assert ask(writer, ACCOUNT) == [(5, 2, 0, 0, 3, 0)]
    assert ask(writer, GAPS) == [(2, 4, 3, "link down")]


async def test_a_gap_that_stays_is_unexplained(writer: Writer) -> None:
    await store(writer, 1, 5)
    patience_is_over(writer)
    assert ask(writer, ACCOUNT) == [(5, 2, 0, 0, 3, 3)]
    assert ask(writer, GAPS) == [(2, 4, 3, "unexplained")]


async def test_a_gap_at_the_very_beginning_counts(writer: Writer) -> None:
    await store(writer, 4)
    patience_is_over(writer)
    assert ask(writer, GAPS) == [(1, 3, 3, "unexplained")]


async def test_a_gap_while_its_agent_is_offline_is_the_agents(writer: Writer) -> None:
    await store(writer, 1, 5)
    await writer.write([offer(State("harbour", "gate-7", False))])
    patience_is_over(writer)
    assert ask(writer, GAPS) == [(2, 4, 3, "agent down")]


async def test_a_gap_of_an_epoch_that_is_over_is_unexplained_though_its_agent_is_offline(writer: Writer) -> None:
    await store(writer, 1, 5)
    await writer.write([offer(birth(epoch=OTHER_EPOCH)), offer(State("harbour", "gate-7", False))])
    patience_is_over(writer)
    assert ask(writer, GAPS) == [(2, 4, 3, "unexplained")]


async def test_a_fresh_gap_of_an_epoch_that_is_over_waits_for_what_is_under_way(writer: Writer) -> None:
    """Two collectors, one killed: the broker gives its share of the old epoch to it when it is back."""
    await store(writer, 1, 5)
    await writer.write([offer(birth(epoch=OTHER_EPOCH))])
    await store(writer, 1, epoch=OTHER_EPOCH)
    assert ask(writer, GAPS) == [(2, 4, 3, "link down")]
    await store(writer, 2, 3, 4)
    assert ask(writer, GAPS) == []


async def test_a_gap_closes_when_the_backlog_comes(writer: Writer) -> None:
    await store(writer, 1, 5)
    await store(writer, 2, 3, 4, late=True)
    assert ask(writer, GAPS) == []


async def test_a_dead_letter_explains_its_frame(writer: Writer) -> None:
    await store(writer, 1, 3)
    await writer.write([offer(Letter("poison", "harbour", "gate-7", EPOCH, 2))])
    patience_is_over(writer)
    assert ask(writer, ACCOUNT) == [(3, 2, 1, 0, 0, 0)]
    assert ask(writer, GAPS) == [(2, 2, 1, "dead-lettered")]


async def test_a_dead_letter_that_was_replayed_is_committed(writer: Writer) -> None:
    await writer.write([offer(Letter("poison", "harbour", "gate-7", EPOCH, 2))])
    await store(writer, 1, 2, 3)
    assert ask(writer, ACCOUNT) == [(3, 3, 0, 0, 0, 0)]


async def test_what_an_agent_declares_as_evicted_is_explained(writer: Writer) -> None:
    attrs = {"epoch": EPOCH, "first_seq": 2, "last_seq": 8, "readings": 14, "reason": "spool full"}
    await store(writer, 1)
    await writer.write([offer(frame(9, events=[event("agent.evicted", attrs=attrs)]))])
    patience_is_over(writer)
    assert ask(writer, ACCOUNT) == [(9, 2, 0, 7, 0, 0)]
    assert ask(writer, GAPS) == [(2, 8, 7, "evicted")]


async def test_an_eviction_may_tell_of_an_epoch_nobody_heard_of(writer: Writer) -> None:
    attrs = {"epoch": OTHER_EPOCH, "first_seq": 1, "last_seq": 2, "readings": 4, "reason": "spool replaced"}
    await writer.write([offer(frame(1, events=[event("agent.evicted", attrs=attrs)]))])
    assert ask(writer, ACCOUNT) == [(1, 1, 0, 0, 0, 0), (2, 0, 0, 2, 0, 0)]


@pytest.mark.parametrize("attrs", [{}, {"epoch": EPOCH, "first_seq": 8, "last_seq": 2, "readings": 0, "reason": ""}])
async def test_a_declaration_that_makes_no_sense_declares_nothing(writer: Writer, attrs: dict[str, object]) -> None:
    await writer.write([offer(frame(9, events=[event("agent.evicted", attrs=attrs)]))])
    assert ask(writer, ACCOUNT) == [(9, 1, 0, 0, 8, 0)]


async def test_each_number_is_counted_once_though_several_things_befell_it(writer: Writer) -> None:
    attrs = {"epoch": EPOCH, "first_seq": 1, "last_seq": 4, "readings": 0, "reason": "spool full"}
    await store(writer, 1, 2, 6)
    await writer.write([offer(Letter("poison", "harbour", "gate-7", EPOCH, 3))])
    await writer.write([offer(frame(7, events=[event("agent.evicted", attrs=attrs)], sent=now_us()))])
    assert ask(writer, ACCOUNT) == [(7, 4, 1, 1, 1, 0)]
