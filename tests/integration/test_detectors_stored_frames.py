"""A broker that loses what waited for the detectors: what is stored is judged all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from hubwatch_core.health import Check
from hubwatch_core.ids import new_ulid
from hubwatch_core.process import Context
from hubwatch_core.wire import Detection, Frame
from hubwatch_detectors import stored_frames
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_detectors.stored_frames import StoredFrames
from support.alarms_database import hands_on
from support.detectors_hub import SimulatedHub, at, birth
from support.detectors_running import figure, publish, publishing, rows, running, settings
from support.eventually import eventually
from support.own_mosquitto import OwnMosquitto
from support.role_logins import RoleLogins, roles_in
from support.store_collector import running_collector, settings_for

UNASKED = Check(True, 0, "")
FORGETFUL = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 3600
"""
"""A broker that saves when it is stopped in order, and not when it is killed."""
FRAMES = list(SimulatedHub(40, door_open=[(20, 22)]).frames())
CUT = 45, 60
"""The frames that only the collector gets: those in which the door is forced are among them."""


@pytest.fixture(autouse=True)
def sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_frames, "SETTLE_S", 0.5)
    monkeypatch.setattr(stored_frames, "LOOK_S", 0.5)


@pytest.fixture
def hub() -> str:
    return f"hub-{new_ulid().lower()}"


@pytest.fixture
def logins(migrated_plain_dsn: str) -> Iterator[RoleLogins]:
    with roles_in(migrated_plain_dsn) as made:
        yield made


def found_offline(hub: str) -> set[str]:
    engine = Engine(DetectorsSettings().rules())
    engine.birth(msgspec.structs.replace(birth(), hub=hub), at(0))
    found = [each for frame in FRAMES for each in engine.frame(msgspec.structs.replace(frame, hub=hub), frame.sent)]
    return {each.id for each in found if isinstance(each, Detection)}


def types_found(dsn: str) -> list[str]:
    return [row["type"] for row in rows(dsn, "SELECT type FROM detections ORDER BY type")]


def ids_found(dsn: str) -> set[str]:
    return {row["id"] for row in rows(dsn, "SELECT id FROM detections")}


def frames_stored(dsn: str) -> int:
    return int(rows(dsn, "SELECT count(*) AS n FROM frames")[0]["n"])


def calm(context: Context) -> bool:
    check = context.health.checks().get(stored_frames.CHECK)
    return check is not None and check.ok and check.detail == "every stored frame was judged"


class Scene:
    """A hub whose detectors are away while frames are stored, and whose broker is killed before they are back."""

    def __init__(self, broker: OwnMosquitto, logins: RoleLogins, hub: str, **intake: Any) -> None:
        self.broker, self.dsn, self._hub = broker, logins.dsn, hub
        self.collector = settings_for((broker.host, broker.port), logins.of("collector"), **intake)
        self.detectors = settings(logins.of("detectors"), (broker.host, broker.port), hub)

    async def send(self, frames: Sequence[Frame], *, first: bool = False) -> None:
        async with publishing((self.broker.host, self.broker.port), self._hub) as link:
            await publish(link, self._hub, [birth(), *frames] if first else frames)

    async def stage(self) -> None:
        """Have all frames up to the cut judged, and those of the cut stored and lost."""
        first, last = CUT
        async with running_collector(self.collector):
            async with running(self.detectors) as context:
                await eventually(lambda: context.health.ok)
                await self.send(FRAMES[:first], first=True)
                await eventually(lambda: figure(context, "frames_total") == first)
                await eventually(lambda: figure(context, "unsaved_messages") == 0)
            await self.send(FRAMES[first:last])
            await eventually(lambda: frames_stored(self.dsn) == last)
        self.broker.kill()
        self.broker.start()


@pytest.fixture
def scene(make_mosquitto: Callable[..., OwnMosquitto], logins: RoleLogins, hub: str) -> Scene:
    return Scene(make_mosquitto(whole=FORGETFUL), logins, hub)


async def test_frames_that_a_killed_broker_lost_are_judged_from_the_database(scene: Scene, hub: str) -> None:
    await scene.stage()
    assert types_found(scene.dsn) == []
    async with running(scene.detectors) as context:
        await eventually(lambda: figure(context, "frames_total") == CUT[1] - CUT[0])
        assert figure(context, "brought_frames_total") == CUT[1] - CUT[0]
        await scene.send(FRAMES[CUT[1] :])
        await eventually(lambda: ids_found(scene.dsn) == found_offline(hub))
        await eventually(lambda: calm(context))
        assert figure(context, "late_frames_total") == 0
    assert types_found(scene.dsn) == ["access.forced"]


async def test_frames_that_were_lost_and_followed_by_others_are_judged_late(scene: Scene) -> None:
    await scene.stage()
    async with running(scene.detectors) as context:
        await eventually(lambda: context.health.checks()["detectors-intake"].ok)
        await scene.send(FRAMES[CUT[1] :])
        await eventually(lambda: figure(context, "frames_total") == len(FRAMES) - CUT[0])
        await eventually(lambda: "access.forced" in types_found(scene.dsn))
        await eventually(lambda: calm(context))
        assert figure(context, "brought_frames_total") == CUT[1] - CUT[0]
        assert figure(context, "late_frames_total") == CUT[1] - CUT[0]


async def test_more_frames_than_are_brought_at_a_time_are_all_judged(
    scene: Scene, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_frames, "MOST", 4)
    monkeypatch.setattr(stored_frames, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(stored_frames, "MOST_LOST", 5)  # of what was lost, not of what was judged
    await scene.stage()
    async with running(scene.detectors) as context:
        await eventually(lambda: calm(context) and figure(context, "frames_total") == CUT[1] - CUT[0])
        await eventually(lambda: types_found(scene.dsn) == ["access.forced"])
        assert figure(context, "not_judged_frames_total") == 0


async def test_frames_that_were_brought_and_left_out_are_told_and_no_more_of_them_are_tried(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_frames, "JUDGED_WITHIN_S", 0.3)
    monkeypatch.setattr(stored_frames, "MOST_LOST", 5)
    await scene.stage()
    strict = scene.detectors.model_copy(update={"signatures": "require"})  # the collector was not
    async with running(strict) as context:
        await eventually(lambda: types_found(scene.dsn) == ["integrity.not_judged"])
        await eventually(lambda: "more of 1 epochs" in context.health.checks()[stored_frames.CHECK].detail)
        assert not context.health.checks()[stored_frames.CHECK].ok
        assert figure(context, "frames_total") == 0


async def test_frames_that_were_lost_and_are_not_kept_are_told(
    make_mosquitto: Callable[..., OwnMosquitto], logins: RoleLogins, hub: str
) -> None:
    scene = Scene(make_mosquitto(whole=FORGETFUL), logins, hub, keep_recent=False)
    await scene.stage()
    async with running(scene.detectors) as context:
        await eventually(lambda: types_found(scene.dsn) == ["integrity.not_judged"])
        assert figure(context, "not_judged_frames_total") == CUT[1] - CUT[0]
    (told,) = rows(scene.dsn, "SELECT sensor, why, evidence FROM detections")
    assert told["sensor"] == "gate-7"
    assert (told["evidence"]["first_seq"], told["evidence"]["last_seq"]) == (CUT[0] + 1, CUT[1])
    assert "no detector has judged them" in told["why"]


async def test_start_that_remembers_nothing_begins_with_what_is_stored_from_then_on(scene: Scene) -> None:
    async with running_collector(scene.collector):
        await scene.send(FRAMES, first=True)
        await eventually(lambda: frames_stored(scene.dsn) == len(FRAMES))
    scene.broker.kill()
    scene.broker.start()
    await asyncio.sleep(2 * stored_frames.SETTLE_S)  # else they could count as still coming
    async with running(scene.detectors) as context:
        await eventually(lambda: calm(context))
        assert figure(context, "brought_frames_total") == 0


async def test_while_frames_may_still_come_from_the_broker_health_says_how_long_they_wait(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.stage()
    monkeypatch.setattr(StoredFrames, "received", lambda *_, **__: None)  # the broker has more, for ever
    monkeypatch.setattr(stored_frames, "BEHIND_S", 0.0)
    async with running(scene.detectors) as context:
        await eventually(lambda: not context.health.checks().get(stored_frames.CHECK, UNASKED).ok)
        said = context.health.checks()[stored_frames.CHECK].detail
        assert said.startswith(f"{CUT[1] - CUT[0]} stored frames wait to be judged, for ")
        assert figure(context, "brought_frames_total") == 0


async def test_right_that_is_missing_is_said_and_asked_for_again(scene: Scene, logins: RoleLogins) -> None:
    await scene.stage()
    with hands_on(scene.dsn) as hands:
        hands.connection.execute(f"REVOKE SELECT ON hubwatch.frame FROM {logins.prefix}_detectors".encode())
        async with running(scene.detectors) as context:
            await eventually(lambda: not context.health.checks().get("detectors-ledger", UNASKED).ok)
            assert "permission denied" in context.health.checks()["detectors-ledger"].detail
            hands.connection.execute(f"GRANT SELECT ON hubwatch.frame TO {logins.prefix}_detectors".encode())
            await eventually(lambda: calm(context) and figure(context, "frames_total") == CUT[1] - CUT[0])
