"""Dead letters on both databases: read, replayed, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_core.packed_frame import encode_packed
from hubwatch_core.packing import packed
from hubwatch_core.words import SensorKind
from hubwatch_ops.database.dead_letters import app as dead_letters
from hubwatch_ops.database.ledger import app as ledger
from hubwatch_store.database import DatabaseSection, connect_sync
from hubwatch_store.ingest import Letter, Mistrust, Offer, Writer, listed, shown, waiting
from hubwatch_store.ingest.dead_letters import trim
from hubwatch_store.upkeep import maintain
from support.store_examples import EPOCH, frame, message, offer, one, rows


@pytest.fixture
def rules(tmp_path: Path) -> str:
    """Return the file of a collector that takes unsigned frames."""
    file = tmp_path / "collector.toml"
    file.write_text('[intake]\nsignatures = "off"\n')
    return str(file)


async def run(app: Typer, *arguments: str) -> Result:
    """Run a command in a thread, where it may have an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments))


TOPIC = "hubwatch/1/harbour/gate-7/frame"


@pytest.fixture
async def writer(migrated_database: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_database))
    yield made
    await made.close()


async def bury(writer: Writer, payload: bytes, reason: str = "poison", seq: int | None = None) -> None:
    letter = Letter(reason, "harbour", "gate-7", EPOCH if seq else None, seq)
    await writer.write([Offer(message(payload, TOPIC), letter)])


def bounded(writer: Writer, what: str) -> int:
    with connect_sync(writer.settings) as connection:
        connection.execute(f"UPDATE hubwatch.dead_letter_bounds SET {what}".encode())
        return trim(connection)


def left(writer: Writer) -> list[bytes]:
    return [payload for (payload,) in rows(writer.settings.dsn, "SELECT payload FROM dead_letters ORDER BY id")]


async def test_letters_are_listed_newest_first_by_reason(writer: Writer) -> None:
    for payload, reason in ((b"1", "not UTF-8"), (b"2", "absurd time"), (b"3", "not UTF-8 either")):
        await bury(writer, payload, reason)
    with connect_sync(writer.settings) as connection:
        assert [each.reason for each in listed(connection)] == ["not UTF-8 either", "absurd time", "not UTF-8"]
        assert [each.octet_length for each in listed(connection, most=1, contains="UTF-8")] == [1]
        assert [each.payload for each in waiting(connection, "UTF-8")] == [b"1", b"3"]
        with pytest.raises(Permanent, match="no dead letter 99"):
            shown(connection, 99)


async def test_a_letter_that_is_good_now_is_stored_and_marked(writer: Writer, rules: str) -> None:
    await bury(writer, wire.encode(frame(2)), "a bug that was fixed", seq=2)
    result = await run(dead_letters, "replay", "-c", rules, "--dsn", writer.settings.dsn)
    assert (result.exit_code, result.stdout) == (0, "1 stored, 0 still dead\n")
    assert rows(writer.settings.dsn, "SELECT seq FROM frames") == [(2,)]
    assert rows(writer.settings.dsn, "SELECT replayed IS NOT NULL FROM dead_letters") == [(True,)]
    assert "no dead letters" in (await run(dead_letters, "list", "--dsn", writer.settings.dsn)).stdout


@pytest.mark.parametrize("encoded", [wire.encode, lambda each: encode_packed(packed(each))])
async def test_what_was_forged_stays_out_whatever_else_was_wrong_with_it_later(
    writer: Writer, rules: str, encoded: Callable[[wire.Frame], bytes]
) -> None:
    forged = encoded(frame(2))
    await writer.write([Offer(message(forged, TOPIC), Letter("not signed", "harbour", "gate-7", kind=Mistrust.FORGED))])
    await bury(writer, forged, "a time is absurd")
    result = await run(dead_letters, "replay", "-c", rules, "--dsn", writer.settings.dsn)
    assert (result.exit_code, result.stdout) == (1, "0 stored, 1 still dead\n")
    assert rows(writer.settings.dsn, "SELECT seq FROM frames") == []


async def test_nothing_is_stored_by_who_does_not_say_whether_it_must_be_signed(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bury(writer, wire.encode(frame(2)), "a bug that was fixed", seq=2)
    result = await run(dead_letters, "replay", "--dsn", writer.settings.dsn)
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit), "in words, not as a traceback"
    assert "give the collector's file with -c" in " ".join(result.output.split())
    (tmp_path / "collector.toml").write_text('[intake]\nsignatures = "require"\n')
    result = await run(dead_letters, "replay", "-c", str(tmp_path / "collector.toml"), "--dsn", writer.settings.dsn)
    assert (result.exit_code, "it is not signed" in result.output) == (1, True)
    assert one(writer.settings.dsn, "SELECT count(*) FROM frames") == 0
    monkeypatch.setenv("HUBWATCH_INTAKE__SIGNATURES", "off")
    assert (await run(dead_letters, "replay", "--dsn", writer.settings.dsn)).exit_code == 0


async def test_birth_beyond_what_an_agent_may_have_gets_no_second_chance(writer: Writer, tmp_path: Path) -> None:
    sensors = [wire.Sensor(f"s-{i}", SensorKind.ACCESS, "quay") for i in range(3)]
    birth = wire.Birth(1, "harbour", "gate-7", EPOCH, now_us(), "1", "1", sensors)
    letter = Letter("birth lists 3 sensors", "harbour", "gate-7", kind=Mistrust.LIMIT)
    await writer.write([Offer(message(wire.encode(birth), "hubwatch/1/harbour/gate-7/birth"), letter)])
    (tmp_path / "hub.toml").write_text("[intake.limits]\nsensors = 2\n")
    result = await run(dead_letters, "replay", "-c", str(tmp_path / "hub.toml"), "--dsn", writer.settings.dsn)
    assert (result.exit_code, "more than 2" in result.output) == (1, True)
    assert one(writer.settings.dsn, "SELECT count(*) FROM sensors") == 0


async def test_replaying_what_is_stored_already_doubles_nothing(writer: Writer, rules: str) -> None:
    good = frame(2)
    await writer.write([offer(good)])
    await bury(writer, wire.encode(good), seq=2)
    assert (await run(dead_letters, "replay", "1", "-c", rules, "--dsn", writer.settings.dsn)).exit_code == 0
    assert one(writer.settings.dsn, "SELECT count(*) FROM readings") == 2


async def test_what_is_still_poison_stays_dead_and_says_why(writer: Writer, rules: str) -> None:
    await bury(writer, b"\xff")
    result = await run(dead_letters, "replay", "-c", rules, "--dsn", writer.settings.dsn)
    assert result.exit_code == 1
    assert "UTF-8" in result.stderr
    assert "0 stored, 1 still dead" in result.stdout


async def test_show_gives_the_whole_payload(writer: Writer) -> None:
    await bury(writer, b"caf\xc3\xa9 \xff", "why not")
    shown_text = (await run(dead_letters, "show", "1", "--dsn", writer.settings.dsn)).stdout
    assert "why not" in shown_text
    assert "café \\xff" in shown_text


async def test_letter_from_a_hostile_sender_cannot_steer_the_terminal(writer: Writer, rules: str) -> None:
    topic = "hubwatch/1/\x1b]0;mine\x07/gate\n  1  2026-01-01 forged/frame"
    await writer.write([Offer(message(b"{\x1b[2J\xc2\x9b1m\n\t}", topic), Letter("so it says: \x1b[31m"))])
    for words in (["list"], ["show", "1"], ["replay", "-c", rules]):
        result = await run(dead_letters, *words, "--dsn", writer.settings.dsn)
        assert not set(result.output) & set("\x1b\x07\x9b\t")
        assert not any(line.startswith("  1  2026-01-01 forged") for line in result.output.splitlines())
    assert r"{\x1b[2J\x9b1m" in (await run(dead_letters, "show", "1", "--dsn", writer.settings.dsn)).stdout


@pytest.mark.parametrize(
    ("bound", "kept"),
    [("most_letters = 2", [b"22", b"333"]), ("most_bytes = 4", [b"333"]), ("keep = '1 hour'", [b"22", b"333"])],
)
async def test_beyond_a_bound_the_oldest_go(writer: Writer, bound: str, kept: list[bytes]) -> None:
    for payload in (b"1", b"22", b"333"):
        await bury(writer, payload)
    with psycopg.connect(writer.settings.dsn, autocommit=True) as connection:
        connection.execute("UPDATE hubwatch.dead_letters SET last_seen = last_seen - INTERVAL '2 hours' WHERE id = 1")
    bounded(writer, bound)
    assert left(writer) == kept


async def test_within_the_bounds_nothing_goes(writer: Writer) -> None:
    await bury(writer, b"1")
    assert bounded(writer, "most_letters = 1, most_bytes = 1") == 0


async def test_a_frame_stays_explained_when_its_letter_goes(writer: Writer) -> None:
    await writer.write([offer(frame(1)), offer(frame(3))])
    await bury(writer, b"poison", seq=2)
    await bury(writer, b"newer")
    assert bounded(writer, "most_letters = 1") == 1
    account = "SELECT committed, dead_lettered, missing FROM ledger_account"
    assert rows(writer.settings.dsn, account) == [(2, 1, 0)]


async def test_maintenance_trims_and_says_so(writer: Writer) -> None:
    for payload in (b"1", b"2"):
        await bury(writer, payload)
    with psycopg.connect(writer.settings.dsn, autocommit=True) as connection:
        connection.execute("UPDATE hubwatch.dead_letter_bounds SET most_letters = 1")
    done = maintain(writer.settings)
    assert done is not None
    assert done.trimmed == 1
    journal = "SELECT detail ->> 'letters' FROM maintenance_journal WHERE what = 'dead_letters'"
    assert rows(writer.settings.dsn, journal) == [("1",)]


async def test_the_report_tells_of_every_agent_and_gap(writer: Writer) -> None:
    await writer.write([offer(frame(1)), offer(frame(3))])
    waits = await run(ledger, "report", "--dsn", writer.settings.dsn)
    assert waits.exit_code == 0
    assert "frame 2: link down" in waits.stdout
    with psycopg.connect(writer.settings.dsn, autocommit=True) as connection:
        connection.execute("UPDATE hubwatch.ledger_grace SET grace = '0 seconds'")
    late = await run(ledger, "report", "--dsn", writer.settings.dsn)
    assert late.exit_code == 4
    assert "1 frames are missing and nothing explains it" in late.stdout
    assert '"unexplained": 1' in (await run(ledger, "report", "--json", "--dsn", writer.settings.dsn)).stdout


async def test_list_that_is_cut_says_how_many_more(writer: Writer) -> None:
    for n in range(7):
        await bury(writer, str(n).encode(), "absurd time" if n < 5 else "not UTF-8")
    cut = await run(dead_letters, "list", "--dsn", writer.settings.dsn, "--most", "3", "--reason", "absurd")
    assert "2 more; --most 5 shows them" in cut.stdout
    whole = await run(dead_letters, "list", "--dsn", writer.settings.dsn, "--most", "7")
    assert "more;" not in whole.stdout
