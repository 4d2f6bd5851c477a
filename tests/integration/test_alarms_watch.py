"""Watching open alarms over the database and the API: what changes, how old it is, and when the source is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hubwatch_alarms import acts
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_core.credentials.kept_login import KeptLogin, keep
from hubwatch_core.permission import Actor, Role
from hubwatch_store.alarms import alarms
from hubwatch_store.database import DatabaseSection, open_pool
from support.alarms_database import hands_on
from support.alarms_examples import detection
from support.console_running import add_person, running_api
from support.proxy import Proxy

PATIENT_S = 60


async def moved(dsn: str, number: int) -> None:
    with hands_on(dsn) as hands:
        hands.detect(detection(number=number, sensor=f"fence-{number}"))
    async with open_pool(DatabaseSection(dsn=dsn, connect_timeout_s=PATIENT_S)) as pool:
        await Mover(pool, [LogRouteSection(name="journal", kind="log")], Instructions.load()).round()


async def act(dsn: str, alarm: int, what: str) -> None:
    kim, settings = Actor("kim", verified=False), DatabaseSection(dsn=dsn, connect_timeout_s=PATIENT_S)
    async with open_pool(settings) as pool, alarms.moving(pool) as connection:
        if what == "close":
            await acts.close(connection, kim, alarm, "taken down")
        else:
            await acts.acknowledge(connection, kim, alarm, None)


@asynccontextmanager
async def watching(*arguments: str, **environment: str) -> AsyncIterator[Watcher]:
    """Run the command; what still runs at the end is ended."""
    command = (sys.executable, "-m", "hubwatch_ops", "alarms", "watch", "--json", *arguments)
    running = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=os.environ | environment
    )
    try:
        yield Watcher(running)
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.communicate()


class Watcher:
    """Reads what the command prints."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self._running = running

    async def event(self, what: str) -> dict[str, Any]:
        """Return the next line of an event; others before it are passed over."""
        assert self._running.stdout is not None
        async with asyncio.timeout(PATIENT_S):
            while line := await self._running.stdout.readline():
                found: dict[str, Any] = json.loads(line)
                if found["event"] == what:
                    return found
        raise AssertionError(f"it ended without {what}")


async def test_database_is_watched_and_its_loss_is_said_with_the_age_of_what_is_shown(
    migrated_plain_dsn: str, tmp_path: Path
) -> None:
    await moved(migrated_plain_dsn, 1)
    server = urlsplit(migrated_plain_dsn)
    assert server.hostname is not None
    assert server.port is not None
    async with Proxy(server.hostname, server.port) as proxy:
        dsn = migrated_plain_dsn.replace(f":{server.port}/", f":{proxy.address[1]}/")
        config = tmp_path / "alarms.toml"
        config.write_text(f'[database]\ndsn = "{dsn}"\n', encoding="utf-8")
        async with watching("-c", str(config)) as watch:
            first = await watch.event("open")
            assert (first["alarm"]["sensor"], first["source"]) == ("fence-1", "the database")
            await moved(migrated_plain_dsn, 2)
            assert (await watch.event("new"))["alarm"]["sensor"] == "fence-2"
            await act(migrated_plain_dsn, 1, "acknowledge")
            assert (await watch.event("acknowledged"))["alarm"]["acknowledged_by"] == "kim"
            await act(migrated_plain_dsn, 1, "close")
            assert (await watch.event("closed"))["alarm"]["id"] == 1
            await proxy.refuse()
            lost = await watch.event("lost")
            assert lost["reason"]
            assert lost["age_s"] >= 0
            assert lost["seen"] is not None
            await moved(migrated_plain_dsn, 3)
            await proxy.heal()
            await watch.event("back")
            assert (await watch.event("new"))["alarm"]["sensor"] == "fence-3"


async def test_api_is_watched_as_whoever_is_logged_in(migrated_plain_dsn: str, tmp_path: Path) -> None:
    await moved(migrated_plain_dsn, 1)
    async with running_api(migrated_plain_dsn) as api:
        token = await add_person(migrated_plain_dsn, "kim", Role.GUARD)
        keep(KeptLogin(api.address, "kim", token), "file", {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)})
        async with watching(XDG_CONFIG_HOME=str(tmp_path), HOME=str(tmp_path)) as watch:
            first = await watch.event("open")
            assert first["source"] == f"{api.address}, as kim"
            await act(migrated_plain_dsn, 1, "acknowledge")
            assert (await watch.event("acknowledged"))["alarm"]["id"] == 1
