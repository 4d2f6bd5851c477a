"""What the checks of all detectors tell those of doors and badges beside the common story: a site, habits, attacks.

Seconds are those of the story; habits lie in the weeks before it.
"""

from __future__ import annotations

from typing import Any

from hubwatch_core.wire import Event, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_site import Cardholder, HubSite
from support.detectors_hub import DOOR, HUB, at

DAY_S = 86_400
HABIT, TURNED, FOLLOWER, TRAVELLER, LEAVER = (f"badge:{n}" for n in (100, 200, 300, 400, 500))
PEOPLE = {LEAVER: Cardholder(LEAVER, valid_to=at(-DAY_S))}


def _door(number: int, outside: str, inside: str) -> dict[str, Any]:
    return {"sensor": f"door-{number}", "from": outside, "to": inside, "readers": {"in": "in", "out": "out"}}


STORY_SITE = HubSite.model_validate(
    {
        "hub": {"id": HUB, "name": "Port", "mode": "sea", "time_zone": "UTC"},
        "zones": [{"id": zone} for zone in ("street", "office", "hall", "lobby", "vault", "annex", "shed")],
        "paths": [{"from": "street", "to": "annex", "seconds": 60}],
        "doors": [
            {"sensor": "door-1", "from": "street", "to": "office", "one_person": True},
            *(_door(number, "street", "hall") for number in (2, 3, 6, 7, 8)),
            _door(4, "hall", "lobby"),
            _door(5, "lobby", "vault"),
            {"sensor": "door-9", "from": "annex", "to": "shed"},
        ],
    }
)


def attacks_at_door() -> list[tuple[Sensor, Event]]:
    """Return a tampered reader, a door opened under duress, and somebody who follows through a turnstile."""
    told: list[tuple[float, str, str | None, dict[str, Any]]] = [
        (112.05, "device.tamper", None, {"reader": "in"}),
        (113.05, "access.granted", "badge:7", {"reader": "in", "duress": True}),
        (209.05, "access.granted", "badge:7", {"reader": "in"}),
        (210.05, "door.opened", None, {}),
        (213.05, "door.opened", None, {}),
    ]
    return [(DOOR, Event("door-1", at(t), kind, subject, attrs)) for t, kind, subject, attrs in told]


def attacks_with_badges() -> list[tuple[Sensor, Event]]:
    """Return weeks of a habit, then each attack that badges show, once."""
    return [
        *_habit(),
        *(_used(120 + 10 * n, HABIT, door) for n, door in enumerate((3, 6, 7, 8))),
        *(_used(t, TURNED, door, side) for t, door, side in ((115, 2, "in"), (165, 3, "in"), (210, 3, "out"))),
        *(
            _used(t, FOLLOWER, door, side)
            for t, door, side in ((115, 2, "in"), (160, 5, "in"), (200, 5, "out"), (210, 4, "out"), (220, 2, "out"))
        ),
        *(_used(t, TRAVELLER, door) for t, door in ((115, 2), (130, 9))),
        _used(140, LEAVER, 2),
    ]


def normal_badges() -> list[tuple[Sensor, Event]]:
    """Return weeks of a habit, a call in the evening to the usual doors, and people who come and go."""
    return [
        *_habit(),
        _used(30, HABIT, 2),
        *(_used(t, TURNED, 2, side) for t, side in ((20, "in"), (25, "in"), (90, "out"))),
        *(_used(t, TRAVELLER, door) for t, door in ((40, 2), (130, 9))),
    ]


def _habit() -> list[tuple[Sensor, Event]]:
    """Return three uses a day in the three weeks before, between nine and noon; the story begins in the evening."""
    return [_used(-DAY_S * day - 3600 * hour, HABIT, 2) for day in range(1, 22) for hour in (6, 7, 9)]


def _used(seconds: float, subject: str, door: int, side: str = "") -> tuple[Sensor, Event]:
    sensor = DOOR if door == 1 else Sensor(f"door-{door}", SensorKind.ACCESS, "office")
    return sensor, Event(sensor.sensor, at(seconds), "access.granted", subject, {"reader": side, "direction": side})
