"""`hubwatch agent forget` and `hubwatch sensor …` as an operator types them."""

from __future__ import annotations

import asyncio

import pytest
from typer.testing import CliRunner, Result

from hubwatch_core.wire import Birth
from hubwatch_ops.devices.app import agent_app, sensor_app
from hubwatch_store.database import DatabaseSection
from hubwatch_store.ingest import State, Writer
from support.store_examples import birth, offer, rows

WHO = ("--by", "kim", "--reason", "lane closed")


@pytest.fixture
def dsn(migrated_plain_dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", migrated_plain_dsn)
    return migrated_plain_dsn


def write(dsn: str, *contents: Birth | State) -> None:
    async def run() -> None:
        writer = Writer(DatabaseSection(dsn=dsn))
        await writer.write([offer(each) for each in contents])
        await writer.close()

    asyncio.run(run())


def sensor(*arguments: str) -> Result:
    return CliRunner().invoke(sensor_app, list(arguments))


def test_sensor_is_replaced_moved_renamed_and_forgotten(dsn: str) -> None:
    write(dsn, birth())
    assert "rpm-2 is another device now" in sensor("replace", "harbour/rpm-2", *WHO).output
    assert "stands in zone pier now" in sensor("move", "harbour/rpm-2", "pier", *WHO).output
    assert "is called rpm-9 now" in sensor("rename", "harbour/rpm-2", "rpm-9", *WHO).output
    assert "gate-7 still lists sensor rpm-9" in sensor("forget", "harbour/rpm-9", *WHO).output
    write(dsn, birth(inventory=[]))
    assert "rpm-9 is forgotten" in sensor("forget", "harbour/rpm-9", *WHO).output
    assert rows(dsn, "SELECT action, target, by FROM device_journal ORDER BY id") == [
        ("replaced", None, "kim"),
        ("moved", "pier", "kim"),
        ("renamed", "rpm-9", "kim"),
        ("sensor forgotten", None, "kim"),
    ]


def test_agent_is_forgotten_once(dsn: str) -> None:
    write(dsn, birth(), State("harbour", "gate-7", online=False))
    result = CliRunner().invoke(agent_app, ["forget", "harbour/gate-7", *WHO])
    assert result.output == "agent gate-7 is forgotten\nno agent lists these sensors any more: rpm-2\n"
    again = CliRunner().invoke(agent_app, ["forget", "harbour/gate-7", *WHO])
    assert again.exit_code != 0
    assert "there is no agent gate-7 at hub harbour" in again.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replace", "rpm-2", *WHO), "say HUB/SENSOR"),
        (("replace", "harbour/RPM", *WHO), "the sensor has a-z"),
        (("replace", "harbour/rpm-2", "--by", "kim", "--reason", " "), "--reason must say it"),
        (("replace", "harbour/rpm-2", *WHO, "--since", "yesterday"), "is no moment"),
        (("move", "harbour/rpm-2", "Pier", *WHO), "the zone has a-z"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(dsn: str, arguments: tuple[str, ...], words: str) -> None:
    result = sensor(*arguments)
    assert result.exit_code != 0
    assert words in result.output
