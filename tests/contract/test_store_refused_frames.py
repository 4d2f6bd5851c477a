"""The ledger knows whom it refused, on both databases: in the account, in the report, and as a finding."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from hubwatch_core.clock import now_us
from hubwatch_store.database import DatabaseSection
from hubwatch_store.ingest import Letter, Offer, Writer
from hubwatch_store.upkeep import maintain
from support.children import run
from support.store_examples import EPOCH, OTHER_EPOCH, frame, message, offer, rows

ACCOUNT = "SELECT agent, epoch, published, committed, dead_lettered, missing FROM ledger_account ORDER BY agent, epoch"
FOUND = """SELECT sensor, subject, priority, "end" IS NULL FROM detections
    WHERE type = 'integrity.frames_refused' ORDER BY id"""
SECOND_US = 1_000_000


@pytest.fixture
async def writer(migrated_database: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_database))
    yield made
    await made.close()


def refused(seq: int, *, epoch: str = EPOCH, ago_s: float = 0) -> Offer:
    letter = Letter("sent is 3.0 days ahead of the time of receipt", "harbour", "gate-7", epoch, seq)
    received = now_us() - round(ago_s * SECOND_US)
    return Offer(message(f"{epoch}{seq}".encode(), received=received), letter)


def ask(writer: Writer, query: str) -> list[tuple[Any, ...]]:
    return rows(writer.settings.dsn, query)


def report(writer: Writer) -> tuple[int, dict[str, Any]]:
    done = run("ledger", "report", "--json", "--dsn", writer.settings.dsn)
    body: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, body


async def test_an_epoch_of_which_every_frame_was_refused_is_in_the_account(writer: Writer) -> None:
    await writer.write([refused(seq) for seq in range(1, 6)])
    assert ask(writer, ACCOUNT) == [("gate-7", EPOCH, 5, 0, 5, 0)]
    code, body = report(writer)
    assert code == 5
    assert [(each["agent"], each["letters"]) for each in body["refused"]] == [("gate-7", 5)]
    text = run("ledger", "report", "--dsn", writer.settings.dsn)
    assert text.returncode == 5
    assert "dead-lettered" in text.stdout
    assert "every frame of harbour/gate-7" in text.stdout
    assert "3.0 days ahead" in text.stdout


async def test_the_account_stays_exact_when_frames_are_stored_after_all(writer: Writer) -> None:
    await writer.write([refused(seq) for seq in (1, 2, 4)])
    await writer.write([offer(frame(seq)) for seq in (1, 2, 3)])
    assert ask(writer, ACCOUNT) == [("gate-7", EPOCH, 4, 3, 1, 0)]
    code, body = report(writer)
    assert (code, body["refused"]) == (0, [])


async def test_epochs_that_only_dead_letters_name_have_a_budget_and_the_rest_is_told(writer: Writer) -> None:
    many = [f"{EPOCH[:-3]}{i:03d}" for i in range(103)]
    await writer.write([refused(1, epoch=epoch) for epoch in many])
    assert len(ask(writer, ACCOUNT)) == 100
    code, body = report(writer)
    assert code == 5
    assert body["unlisted"] == [{"hub": "harbour", "agent": "gate-7", "epochs": 3, "letters": 3}]
    await writer.write([offer(frame(1, epoch=OTHER_EPOCH))])
    assert len(ask(writer, ACCOUNT)) == 101, "what is stored is always in the ledger"


async def test_an_agent_whose_frames_are_all_refused_is_a_finding_until_one_is_stored(writer: Writer) -> None:
    await writer.write([offer(frame(1))])
    with psycopg.connect(writer.settings.dsn, autocommit=True) as connection:
        connection.execute("UPDATE hubwatch.agents SET heard = clock_timestamp() - INTERVAL '5 minutes'")
    await writer.write([refused(2, ago_s=60), refused(3, ago_s=40)])
    maintain(writer.settings)
    assert ask(writer, FOUND) == [], "two frames may be two bad frames"
    await writer.write([refused(4, ago_s=20)])
    for _ in range(2):
        done = maintain(writer.settings)
        assert done is not None
        assert done.refused == 1
    assert ask(writer, FOUND) == [("gate-7", None, 2, True)]
    await writer.write([offer(frame(5))])
    maintain(writer.settings)
    assert ask(writer, FOUND) == [("gate-7", None, 2, False)]


async def test_a_frame_refused_among_stored_ones_is_no_finding(writer: Writer) -> None:
    await writer.write([refused(seq, ago_s=60 - seq) for seq in range(2, 9)])
    await writer.write([offer(frame(9))])
    maintain(writer.settings)
    assert ask(writer, FOUND) == []
