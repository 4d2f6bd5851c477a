"""Two processes of one name, started as operators start them."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from support.alarms_database import hands_on
from support.children import Children
from support.eventually import eventually
from support.own_mosquitto import OwnMosquitto
from support.ports import free_port


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    made = Children(tmp_path)
    yield made
    made.end_all()


def hub_file(file: Path, broker: OwnMosquitto, dsn: str, port: int) -> str:
    file.write_text(
        f"""
        [mqtt]
        host = "{broker.host}"
        port = {broker.port}
        [database]
        dsn = "{dsn}"
        [telemetry]
        port = {port}
        [[alarms.routes]]
        name = "log"
        kind = "log"
        """,
        encoding="utf-8",
    )
    return str(file)


def health(port: int) -> dict[str, Any]:
    """Return what a hub says of itself; one that is asked too often says nothing for a moment."""
    time.sleep(0.1)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == HTTPStatus.TOO_MANY_REQUESTS:
                return {"ok": False, "checks": {}}
            found = json.load(error)
    except OSError:
        return {"ok": False, "checks": {}}
    return found


async def test_second_up_ends_with_words_and_takes_nothing_from_the_first(
    own_mosquitto: OwnMosquitto, migrated_plain_dsn: str, tmp_path: Path, children: Children
) -> None:
    port = free_port()
    first = hub_file(tmp_path / "hub.toml", own_mosquitto, migrated_plain_dsn, port)
    second = hub_file(tmp_path / "hub2.toml", own_mosquitto, migrated_plain_dsn, free_port())
    children.start("first", "up", "-c", first)
    await eventually(lambda: works(port))
    children.start("second", "up", "-c", second)
    await eventually(lambda: not children.alive("second"))
    said = children.log("second")
    assert "hubwatch up: only one process may run" in said
    assert "is run by process" in said
    assert "detectors-mqtt" not in said  # it never asked the broker for the session of the first
    await eventually(lambda: refusals(port))
    await eventually(lambda: works(port))
    assert "a second process wanted the same work and was refused" in children.log("first")
    assert "connection lost" not in children.log("first")

    children.kill("first")
    children.start("second")
    await eventually(lambda: "detectors-mqtt" in children.log("second"))
    assert children.stop("second") == 0
    with hands_on(migrated_plain_dsn) as hands:
        assert hands.rows("SELECT * FROM process_owner") == []


def works(port: int) -> bool:
    """Return whether all is well but that, with no agent here, the collector has heard nothing for a while."""
    checks = health(port)["checks"]
    return bool(checks) and all(check["ok"] for name, check in checks.items() if name.rpartition(".")[2] != "hearing")


def refusals(port: int) -> list[str]:
    checks = health(port).get("checks", {})  # a busy process may not answer in time
    return [text for text in (str(check["detail"]) for check in checks.values()) if "refused to" in text]
