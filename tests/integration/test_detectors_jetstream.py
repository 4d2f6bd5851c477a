"""The detectors on JetStream: a partition for each hub, state saved before it acknowledges, servers that die."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from hubwatch_core.config import NatsSection
from hubwatch_core.service import Context
from hubwatch_core.wire import Birth, Detection, Frame
from hubwatch_detectors.config import Settings
from hubwatch_detectors.engine import Engine
from support.detectors_hub import Passage, SimulatedHub, at, birth
from support.detectors_running import Address, crashing, figure, publish, publishing, rows, running, settings
from support.eventually import eventually
from support.own_nats import OwnNats


def on(servers: Sequence[OwnNats], dsn: str, *hubs: str, name: str = "detectors") -> Settings:
    """Settings that take hubs from JetStream; the MQTT broker of the settings does not exist."""
    nats = NatsSection(servers=tuple(each.url for each in servers), ack_wait_s=1, reconnect_max_s=0.3)
    base = settings(dsn, ("127.0.0.1", 1), "nowhere", save_every_s=0.05)
    return base.model_copy(update={"hubs": hubs, "name": name, "nats": nats})


def attacked() -> list[Frame]:
    return list(SimulatedHub(40, passages=[Passage(5, gamma_peak=90)], door_open=[(20, 22)]).frames())


def expected(hub: str) -> set[str]:
    """Give the ids that the same frames lead to without servers and database."""
    engine = Engine(Settings().rules())
    engine.birth(msgspec.structs.replace(birth(), hub=hub), at(0))
    found = [each for frame in attacked() for each in engine.frame(msgspec.structs.replace(frame, hub=hub), frame.sent)]
    return {each.id for each in found if isinstance(each, Detection)}


def stored(dsn: str, hub: str) -> set[str]:
    return {row["id"] for row in rows(dsn, "SELECT id FROM detections WHERE hub = %s", hub)}


def subscribed(context: Context) -> bool:
    """Whether the stream is there and followed; health is good, too, before any check has been made."""
    return bool(context.health.report()["checks"].get("detectors-intake", {}).get("ok"))  # type: ignore[attr-defined]


def place(server: OwnNats) -> Address:
    return "127.0.0.1", server.mqtt_port


async def test_each_process_judges_its_hubs_and_a_latecomer_still_learns_the_inventory(
    own_nats: OwnNats, migrated_plain_dsn: str
) -> None:
    dsn = migrated_plain_dsn
    async with running(on([own_nats], dsn, "north", name="a")) as a:
        await eventually(lambda: subscribed(a))
        async with publishing(place(own_nats), "agents") as link:
            for hub in ("north", "south"):
                await publish(link, hub, [birth(), *attacked()])
        await eventually(lambda: stored(dsn, "north") == expected("north"))
        assert stored(dsn, "south") == set()
        async with running(on([own_nats], dsn, "south", "west", name="b")) as b:
            await eventually(lambda: stored(dsn, "south") == expected("south"))
            assert figure(b, "unknown_total") == 0
            assert figure(b, "frames_total") == figure(a, "frames_total") == len(attacked())


async def test_crash_at_any_moment_loses_no_finding_and_makes_none_twice(
    own_nats: OwnNats, migrated_plain_dsn: str
) -> None:
    dsn, frames, where = migrated_plain_dsn, attacked(), on([own_nats], migrated_plain_dsn, "north")
    async with publishing(place(own_nats), "agents") as link:
        async with running(where) as context:
            await eventually(lambda: subscribed(context))
            await publish(link, "north", [birth()])
        for i in range(0, len(frames), 25):
            async with crashing(where) as context:
                await publish(link, "north", frames[i : i + 25])
                await eventually(lambda now=context: figure(now, "frames_total") > 0)  # type: ignore[misc]
        async with running(where) as context:
            await eventually(lambda: stored(dsn, "north") == expected("north"), within_s=20)
            await eventually(lambda: figure(context, "unsaved_messages") == 0)


async def test_server_killed_between_frames_changes_no_finding(own_nats: OwnNats, migrated_plain_dsn: str) -> None:
    dsn, frames = migrated_plain_dsn, attacked()
    async with running(on([own_nats], dsn, "north")) as context:
        await eventually(lambda: subscribed(context))
        parts: list[list[Birth | Frame]] = [[birth(), *frames[:60]], [*frames[60:]]]
        for part in parts:
            async with publishing(place(own_nats), "agents") as link:
                await publish(link, "north", part)
            own_nats.kill()
            await asyncio.sleep(0.2)
            own_nats.start()
            await asyncio.to_thread(own_nats.await_healthy, 1)
        await eventually(lambda: stored(dsn, "north") == expected("north"), within_s=20)
        await eventually(lambda: context.health.ok)
