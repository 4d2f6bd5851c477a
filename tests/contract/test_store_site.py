"""A site in the database: one transaction, a new version, rows that keep the version which first said them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from importlib import resources
from typing import Any

import psycopg
import pytest

from hubwatch_core.errors import ConfigError, Permanent
from hubwatch_store.database import DatabaseSection, connect_sync
from hubwatch_store.ingest import Writer
from hubwatch_store.site import announced, apply, history, in_force, version
from hubwatch_store.site.rows import TABLES
from hubwatch_store.site.versions import CHANNEL
from support.store_examples import birth, offer

SAMPLE = resources.files("hubwatch_site").joinpath("sample.toml").read_text(encoding="utf-8")
HUB = "rotterdam"


@pytest.fixture
def connection(migrated_database: str) -> Iterator[psycopg.Connection[Any]]:
    with connect_sync(DatabaseSection(dsn=migrated_database)) as connection:
        yield connection


def put(connection: psycopg.Connection[Any], text: str = SAMPLE) -> Any:
    return apply(connection, text, by="kim", note="first survey")


def rows(connection: psycopg.Connection[Any], what: str, table: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"SELECT {what} FROM hubwatch.{table} ORDER BY 1, 2".encode()).fetchall()


def test_every_table_says_what_the_file_says(connection: psycopg.Connection[Any]) -> None:
    put(connection)
    assert rows(connection, "hub, name, mode", "hubs") == [(HUB, "Maasvlakte gate complex", "sea")]
    assert rows(connection, "zone, criticality, version", "zones") == [
        ("apron", 1, 1), ("gate-2", 2, 1), ("quay-fence", 1, 1), ("server-room", 3, 1),
    ]  # fmt: skip
    assert rows(connection, "from_zone, to_zone, metres", "zone_paths") == [
        ("apron", "gate-2", 40),
        ("gate-2", "apron", 40),
    ]
    assert rows(connection, "sensor, reader_in, reader_out, one_person", "doors") == [
        ("door-3", "reader-in", "reader-out", False)
    ]
    assert rows(connection, "sensor, from_m, to_m", "fence_sections") == [("fence-1", 0, 80), ("fence-2", 80, 160)]
    assert rows(connection, "sensor, metres", "fence_behind") == [("radar-1", 6)]
    assert rows(connection, "step, sensor, within_s, share", "lane_steps") == [
        (0, "barrier-2", None, 1), (1, "rpm-2", 60, 1), (2, "xray-1", 900, 0.1),
    ]  # fmt: skip
    assert rows(connection, "sensor, x_m, y_m, distance_m", "sensor_places") == [("rpm-2", 35, 22, 2.5)]
    assert rows(connection, "what, fed, supply", "power_feeds") == [
        ("agent", "gate-agent-2", "ups-1"),
        ("sensor", "barrier-2", "ups-1"),
        ("sensor", "rpm-2", "ups-1"),
        ("zone", "quay-fence", "ups-1"),
    ]
    assert rows(connection, "camera, covers", "cameras") == [("cam-12", ["fence-1", "door-3"])]
    assert rows(connection, "from_hub, to_hub, seconds", "zone_travel") == [
        ("antwerp", HUB, 3600),
        (HUB, "antwerp", 3600),
    ]
    assert rows(connection, "days, begins::text, time_zone", "shifts") == [
        ([0, 1, 2, 3, 4], "06:00:00", "Europe/Amsterdam")
    ]
    found = in_force(connection, HUB)
    assert found is not None
    assert (found.version, found.by, found.note, found.file) == (1, "kim", "first survey", SAMPLE)


def test_rows_keep_the_version_that_brought_them(connection: psycopg.Connection[Any]) -> None:
    put(connection)
    changed = SAMPLE.replace("criticality = 3", "criticality = 2").replace("share = 0.1", "share = 0.2")
    done = put(connection, changed.replace('id = "cam-12"', 'id = "cam-13"'))
    assert (done.version, done.is_new) == (2, True)
    assert done.written == {"zones": 1, "lane_steps": 1, "cameras": 1}
    assert done.removed == {"cameras": 1}
    assert rows(connection, "DISTINCT version, 1", "power_feeds") == [(1, 1)]
    assert rows(connection, "zone, version", "zones") == [
        ("apron", 1), ("gate-2", 1), ("quay-fence", 1), ("server-room", 2),
    ]  # fmt: skip
    assert rows(connection, "step, version", "lane_steps") == [(0, 1), (1, 1), (2, 2)]


def test_what_a_site_says_no_longer_goes_and_zones_of_agents_stay(connection: psycopg.Connection[Any]) -> None:
    put(connection)
    head = SAMPLE.partition("# The plan")[0]
    put(connection, head + '[[zones]]\nid = "apron"\ncriticality = 2\n')
    for table in TABLES:
        assert rows(connection, "hub, version", table.name) == [], table.name
    assert rows(connection, "zone, criticality, outline, version", "zones") == [
        ("apron", 2, None, 2), ("gate-2", 1, None, None), ("quay-fence", 1, None, None), ("server-room", 1, None, None),
    ]  # fmt: skip


def test_the_same_file_again_is_no_new_version(connection: psycopg.Connection[Any]) -> None:
    put(connection)
    assert (put(connection).is_new, len(history(connection, HUB))) == (False, 1)
    put(connection, SAMPLE + "# seen again\n")
    put(connection)
    assert [each.version for each in history(connection, HUB)] == [3, 2, 1]
    second = version(connection, HUB, 2)
    assert second is not None
    assert second.file.endswith("# seen again\n")


@pytest.mark.parametrize(
    ("text", "by", "note", "error"),
    [
        (SAMPLE.replace('to = "server-room"', 'to = "moon"', 1), "kim", "why", ConfigError),
        (SAMPLE, " ", "why", Permanent),
        (SAMPLE, "kim", "", Permanent),
    ],
)
def test_refused_site_changes_nothing(
    connection: psycopg.Connection[Any], text: str, by: str, note: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        apply(connection, text, by=by, note=note)
    assert in_force(connection, HUB) is None
    assert rows(connection, "hub, zone", "zones") == []


def test_two_who_apply_at_once_make_two_versions(migrated_database: str) -> None:
    settings = DatabaseSection(dsn=migrated_database)

    def one(text: str) -> None:
        with connect_sync(settings) as connection:
            put(connection, text)

    threads = [threading.Thread(target=one, args=(f"{SAMPLE}# {i}\n",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with connect_sync(settings) as connection:
        assert [each.version for each in history(connection, HUB)] == [4, 3, 2, 1]
        assert len(rows(connection, "hub, sensor", "lane_steps")) == 3


def test_whoever_listens_hears_of_it(connection: psycopg.Connection[Any], migrated_database: str) -> None:
    with psycopg.connect(migrated_database, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}".encode())
        put(connection)
        (notice,) = listener.notifies(timeout=10, stop_after=1)
    assert notice.payload == HUB


async def test_what_agents_announced_is_what_a_draft_begins_with(migrated_database: str) -> None:
    settings = DatabaseSection(dsn=migrated_database)
    writer = Writer(settings)
    try:
        await writer.write([offer(birth())])
    finally:
        await writer.close()
    with connect_sync(settings) as connection:
        found = announced(connection, birth().hub)
    assert [each.sensor for each in found] == sorted(each.sensor for each in birth().inventory)
