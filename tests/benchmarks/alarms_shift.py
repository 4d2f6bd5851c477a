"""A shift of eight hours, in less than a minute: what people are presented with, and whether attacks stay whole.

The times of detections are those of the shift: eight hours that end now. Mover, sender and store are the product's.
The hub has a site, and the one rule that the reference names against floods: a sensor is silent because its zone has no
power. An operator takes each alarm that is presented, within ten minutes of the shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.alarms_hub import HUB, configured
from benchmarks.result import Progress
from hubwatch_alarms.mover import apply
from hubwatch_alarms.triggers import Acknowledge
from hubwatch_core.alarm import WAITING
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.wire import Detection
from hubwatch_store.alarms import alarms
from hubwatch_store.database import DatabaseSection, Pool, open_pool
from support.alarms_database import Hands, hands_on
from support.alarms_receiver import receiving
from support.alarms_running import alarms_in_loop
from support.alarms_until import until
from support.site_applied import applied

HOURS = 8
MINUTE_US = 60 * SECOND_US
STEP_MINUTES = 10
"""What happens in so long a time of the shift is stored together; then alarms are moved, told and taken."""
FLOOD = 150
RULE = """
[[design]]
name = "behind-a-dead-supply"
types = ["integrity.sensor_silent"]
while_open = ["power.lost"]
"""
SITE = """
[hub]
id = "rotterdam"
name = "Rotterdam"
mode = "sea"
time_zone = "UTC"
[[zones]]
id = "north"
[[zones]]
id = "quay"
[[zones]]
id = "gate"
[[zones]]
id = "yard"
[[paths]]
from = "north"
to = "quay"
metres = 120
"""


@dataclass(frozen=True, slots=True)
class Raw:
    """One raw detection of the shift: when (minutes), where, of which type, how grave, of which attack."""

    minute: float
    sensor: str
    zone: str
    type: str
    priority: int
    attack: int = 0


def chatter() -> list[Raw]:
    """Return 200 detections without an attack: contacts that bounce, an animal at the fence, doors held open."""
    bounces = [
        Raw(20 + 70 * contact + bounce * 3 / 60, f"fence-{contact}", "north", "perimeter.intrusion", 3)
        for contact in range(6)
        for bounce in range(20)
    ]
    animal = [
        Raw(45 + 140 * visit + number / 3, "field-1", "quay", "perimeter.nuisance", 4)
        for visit in range(3)
        for number in range(20)
    ]
    doors = [Raw(8 + 23 * number, f"door-{number % 5}", "quay", "access.held", 4) for number in range(20)]
    return bounces + animal + doors


def attacks() -> list[Raw]:
    """Return two attacks: over the fence to a door on the quay, and a source through the gate while the flood is on."""
    fence = [
        Raw(190, "fence-9", "north", "perimeter.intrusion", 2, 1),
        Raw(190.5, "fence-9", "north", "perimeter.crossing", 1, 1),
        Raw(192, "door-9", "quay", "access.forced", 2, 1),
        Raw(193, "door-9", "quay", "access.tamper", 2, 1),
    ]
    source = [
        Raw(363, "rpm-2", "gate", "radiation.gamma", 1, 2),
        Raw(363.1, "rpm-2", "gate", "radiation.neutron", 1, 2),
        Raw(366, "door-8", "gate", "access.duress", 1, 2),
    ]
    return fence + source


def flood() -> list[Raw]:
    """Return 150 detections in ten minutes: a zone loses its power, and then its sensors fall silent."""
    silent = [
        Raw(360.2 + number / 16, f"yard-{number}", "yard", "integrity.sensor_silent", 3) for number in range(FLOOD - 1)
    ]
    return [Raw(360, "ups-1", "yard", "power.lost", 2), *silent]


async def shift(dsn: str, folder: Path, progress: Progress) -> dict[str, float]:
    """Play the shift and count what people saw of it."""
    raw = sorted(chatter() + attacks() + flood(), key=lambda each: each.minute)
    with hands_on(dsn) as hands:
        applied(dsn, SITE)
        for sensor, zone in dict.fromkeys((each.sensor, each.zone) for each in raw):
            hands.place(HUB, sensor, zone)
        async with receiving() as receiver:
            settings = configured(dsn, folder, {"duty": receiver.url}, priorities=RULE)
            async with alarms_in_loop(settings), open_pool(DatabaseSection(dsn=dsn), "bench operator") as operator:
                await _play(raw, hands, operator)
            told = {each.message["alarm"]["id"] for each in receiver.received}
        figures = _seen(hands, raw, told)
    presented = round(figures["shift_alarms_per_hour"] * HOURS)
    progress(f"{len(raw)} detections of {HOURS} h: {presented} alarms presented")
    return figures


async def _play(raw: list[Raw], hands: Hands, operator: Pool) -> None:
    begin = now_us() - HOURS * 60 * MINUTE_US
    number = 0
    while number < len(raw):
        together = int(raw[number].minute // STEP_MINUTES)
        while number < len(raw) and int(raw[number].minute // STEP_MINUTES) == together:
            hands.detect(_detection(raw[number], number, begin))
            number += 1
        await until(lambda: _settled(hands), 120)
        await _take(operator, hands)
    await until(lambda: _settled(hands), 120)


def _detection(raw: Raw, number: int, begin: int) -> Detection:
    start = begin + int(raw.minute * MINUTE_US)
    # What is silent or without power stays so; everything else is over in a second.
    end = None if raw.type in {"power.lost", "integrity.sensor_silent"} else start + SECOND_US
    return Detection(
        id=f"shift-{number}", type=raw.type, hub=HUB, sensor=raw.sensor, subject=None, start=start, end=end,
        detected=start + SECOND_US, score=6.5, priority=raw.priority, detector="bench", version=1, late=False,
        why="as the shift has it",
    )  # fmt: skip


def _settled(hands: Hands) -> bool:
    (row,) = hands.rows("""SELECT (SELECT count(*) FROM alarm_inbox) + (SELECT count(*) FROM alarm_unrouted)
        + (SELECT count(*) FROM notification_outbox WHERE state = 'waiting') AS left""")
    return bool(row["left"] == 0)


async def _take(operator: Pool, hands: Hands) -> None:
    """Let the operator acknowledge what waits, as they would from a console; the supply stays dead until the end."""
    async with alarms.moving(operator) as connection:
        for row in hands.rows("SELECT id FROM alarms WHERE closed IS NULL ORDER BY priority, id"):
            alarm = await alarms.alarm_by_id(connection, row["id"])
            if alarm is not None and alarm.state in WAITING:
                await apply(connection, alarm, Acknowledge(now_us(), "kim"))


def _seen(hands: Hands, raw: list[Raw], told: set[int]) -> dict[str, float]:
    (presented,) = hands.rows("SELECT count(*) AS n FROM alarm_presented")
    bound: dict[str, dict[str, Any]] = {
        row["detection"]: row
        for row in hands.rows(
            "SELECT b.detection, a.id, a.incident, a.priority, a.state FROM alarm_detection b"
            " JOIN alarms a ON a.id = b.alarm"
        )
    }
    of_attack = [{bound[f"shift-{n}"]["incident"] for n, each in enumerate(raw) if each.attack == k} for k in (1, 2)]
    whole = [incidents for incidents in of_attack if len(incidents) == 1]
    critical = [bound[f"shift-{number}"] for number, each in enumerate(raw) if each.priority == 1]
    folded = [row for row in critical if row["priority"] != 1 or row["id"] not in told]
    return {
        "shift_detections": float(len(bound)),
        "shift_alarms_per_hour": presented["n"] / HOURS,
        "shift_incidents_complete": float(len(whole) if of_attack[0] != of_attack[1] else 0),
        "priority1_folded": float(len(folded)),
    }
