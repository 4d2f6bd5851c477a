"""The site of one hub as a file describes it: zones, ways, doors, fences, lanes, sensors, cameras, shifts, checks.

Metres and seconds; x and y in metres on the hub's own plan, from its upper left corner. What has to agree between
entries is in `consistency.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import time
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from hubwatch_core.config import ConfigId, Conflict, Partial, Section
from hubwatch_core.words import HubMode
from hubwatch_site import consistency, shapes

MAX_ENTRIES = 20_000
"""Of each kind: more is no hub."""
MAX_SUPPLIES = 1000
MAX_CORNERS = 500
MAX_METRES = 100_000
MAX_CHECKS = 200
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PLACEHOLDERS = ("time_iso", "time_unix", "sensor", "camera")
"""What may stand in braces in a camera's page."""


def _known_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError("is no time zone; one is called as in Europe/Amsterdam")
    return name


@lru_cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _plan_file(name: str) -> str:
    path = PurePosixPath(name)
    if "\0" in name or path.is_absolute() or ".." in path.parts or path.suffix.lower() not in {".svg", ".png"}:
        raise ValueError("must be an SVG or PNG file beside this one")
    return name


def _page(text: str) -> str:
    """Check a camera's page: it is opened by a person's browser with the moment filled in."""
    left = re.sub(r"\{(" + "|".join(PLACEHOLDERS) + r")\}", "", text)
    if set("{}") & set(left):
        raise ValueError(f"may have only these in braces: {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}")
    if re.search(r"[\s\"'<>\\]", text):
        raise ValueError("has characters that no address has")
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("must be an http or https address")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user or password: everybody who sees the site would see it")
    return text


def _clock(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError("must be a time of day as in 06:00")
    return text


def _days(text: str) -> str:
    days_of(text)
    return text


def days_of(text: str) -> tuple[int, ...]:
    """Return the days of `mon-fri` or `mon,wed,sat`, Monday being 0. Raises ValueError."""
    days: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise ValueError("must be days as in mon-fri or mon,wed,sat")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days |= {day % 7 for day in range(begin, end + (1 if begin <= end else 8))}
    return tuple(sorted(days))


Label = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Point = Annotated[tuple[float, float], Field(description="x, y in metres.")]
Metres = Annotated[float, Field(gt=0, le=MAX_METRES)]
Seconds = Annotated[float, Field(gt=0, le=604_800)]
Clock = Annotated[str, AfterValidator(_clock)]
TimeZoneName = Annotated[str, AfterValidator(_known_zone)]


class HubFacts(Section):
    """The hub itself."""

    id: ConfigId = Field(description="Name of the hub, as its agents say it.", examples=["rotterdam"])
    name: Label = Field(description="What people call it.", examples=["Maasvlakte gate complex"])
    mode: HubMode = Field(description="How goods and people move through it.")
    time_zone: TimeZoneName = Field(
        description="For shifts, nights and budgets per day; what is stored stays UTC.", examples=["Europe/Amsterdam"]
    )


class Plan(Section):
    """The plan that boards and the console draw on."""

    width_m: Metres = Field(description="Width of the plan.", examples=[900])
    height_m: Metres = Field(description="Height of the plan.", examples=[400])
    image: Annotated[str, AfterValidator(_plan_file)] | None = Field(
        None, description="A picture beside this file: SVG without scripts and links, or PNG."
    )


class Zone(Section):
    """A part of the hub that people name and guard as one."""

    id: ConfigId = Field(description="Name of the zone, as agents say it.", examples=["gate-2"])
    name: Label | None = Field(None, description="What people call it.")
    criticality: Literal[1, 2, 3] = Field(1, description="1 ordinary to 3 vital; scales budgets and priorities.")
    outline: Annotated[tuple[Point, ...], Field(max_length=MAX_CORNERS)] = Field(
        (), description="Its corners on the plan, in order."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """An outline is a shape."""
        if self.outline and (wrong := shapes.fault_of_outline(self.outline)):
            yield ("outline",), wrong


class WalkingPath(Section):
    """A way from one zone to the next, with the least that a person needs for it."""

    from_: ConfigId = Field(alias="from", description="Zone it leads from.")
    to: ConfigId = Field(description="Zone it leads to.")
    metres: Metres | None = Field(None, description="How long it is; or give seconds.")
    seconds: Seconds | None = Field(None, description="The least that a person needs; or give metres.")
    one_way: bool = Field(False, description="Whether it cannot be walked back.")

    def conflicts(self) -> Iterator[Conflict]:
        """Either a length or a time, between two zones."""
        if (self.metres is None) == (self.seconds is None):
            yield ("metres",), "give either metres or seconds"
        if self.from_ == self.to:
            yield ("to",), "leads to where it comes from"


class Readers(Section):
    """The readers at the two sides of a door, as `attrs.reader` of its events says them."""

    in_: Label | None = Field(None, alias="in", description="Reader of those who go in, towards `to`.")
    out: Label | None = Field(None, description="Reader of those who go out, towards `from`.")

    def conflicts(self) -> Iterator[Conflict]:
        """Two sides have two readers."""
        if self.in_ is None and self.out is None:
            yield ("in",), "a door without readers leaves the table out"
        elif self.in_ == self.out:
            yield ("out",), "must be another reader than the one inwards"


class Door(Section):
    """A door between two zones."""

    sensor: ConfigId = Field(description="The sensor that reports it.", examples=["door-3"])
    from_: ConfigId = Field(alias="from", description="Zone outside it.")
    to: ConfigId = Field(description="Zone inside it.")
    readers: Readers | None = Field(None, description="Its readers; a one-sided door leaves one out.")
    one_person: bool = Field(False, description="A turnstile or sluice: one grant lets one person through.")

    def conflicts(self) -> Iterator[Conflict]:
        """A door has two sides."""
        if self.from_ == self.to:
            yield ("to",), "must be another zone than from"


class FenceSection(Section):
    """What one sensor watches of a fence."""

    sensor: ConfigId = Field(description="The sensor.")
    from_m: float = Field(ge=0, le=MAX_METRES, description="Where its stretch begins, along the line.")
    to_m: float = Field(ge=0, le=MAX_METRES, description="Where it ends.")

    def conflicts(self) -> Iterator[Conflict]:
        """A stretch has a length."""
        if self.to_m <= self.from_m:
            yield ("to_m",), "must be more than from_m"


class BehindFence(Section):
    """What an intruder meets after the line."""

    sensor: ConfigId = Field(description="The sensor met next.")
    metres: Metres = Field(description="How far behind the line it is.")
    from_m: float | None = Field(
        None, ge=0, le=MAX_METRES, description="Where it begins along the line; without it all."
    )
    to_m: float | None = Field(None, ge=0, le=MAX_METRES, description="Where it ends along the line.")

    def conflicts(self) -> Iterator[Conflict]:
        """A stretch has both ends."""
        if (self.from_m is None) != (self.to_m is None):
            yield ("to_m",), "from_m and to_m go together"
        elif self.from_m is not None and self.to_m is not None and self.to_m <= self.from_m:
            yield ("to_m",), "must be more than from_m"


class Fence(Section):
    """Perimeter sensors in their order along the line."""

    zone: ConfigId = Field(description="The zone it guards.", examples=["quay-fence"])
    sections: Annotated[tuple[FenceSection, ...], Field(min_length=1, max_length=MAX_ENTRIES)] = Field(
        description="Stretches, one after the other."
    )
    behind: Annotated[tuple[BehindFence, ...], Field(max_length=MAX_ENTRIES)] = Field(
        (), description="What an intruder meets next."
    )

    @classmethod
    def conflicts_between(cls, parts: Partial[Any]) -> Iterator[Conflict]:
        """The stretches join."""
        yield from consistency.of_sections(parts.entries("sections"))


class LaneStep(Section):
    """One thing that a vehicle passes."""

    sensor: ConfigId = Field(description="The sensor that notices it.")
    within_s: Seconds | None = Field(None, description="How long after the step before; what does not come is found.")
    share: float = Field(1.0, gt=0, le=1, description="Share of the vehicles that pass this step.")


class VehicleLane(Section):
    """What a vehicle passes, in order."""

    id: ConfigId = Field(description="Name of the lane.", examples=["lane-2"])
    class_: Literal["general", "trusted"] = Field(
        "general", alias="class", description="For throughput figures, never for a threshold."
    )
    steps: Annotated[tuple[LaneStep, ...], Field(min_length=1, max_length=50)] = Field(
        description="What it passes, in order."
    )

    @classmethod
    def conflicts_between(cls, parts: Partial[Any]) -> Iterator[Conflict]:
        """Steps follow each other in time."""
        yield from consistency.of_steps(parts.entries("steps"))


class SensorPlace(Section):
    """Where a sensor stands, and facts that detectors use."""

    id: ConfigId = Field(description="The sensor.", examples=["rpm-2"])
    label: Label | None = Field(None, description="What people call it.")
    at: Point | None = Field(None, description="Where it stands on the plan.")
    distance_m: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        None, description="From a portal to the middle of its lane."
    )
    exposure: Literal["sheltered", "ordinary", "exposed"] = Field(
        "ordinary", description="To wind and rain: what a fence there does in a storm."
    )


class Supply(Section):
    """What a supply feeds, by the wiring: a guess by place would fold alarms under a cause that is none."""

    sensor: ConfigId = Field(description="The supply: a sensor of kind power.", examples=["ups-1"])
    sensors: Annotated[tuple[ConfigId, ...], Field(max_length=MAX_ENTRIES)] = Field(
        (), description="Sensors that it feeds, other supplies among them."
    )
    agents: Annotated[tuple[ConfigId, ...], Field(max_length=MAX_ENTRIES)] = Field(
        (), description="Agents that it feeds: without them their sensors fall silent, too."
    )
    zones: Annotated[tuple[ConfigId, ...], Field(max_length=MAX_ENTRIES)] = Field(
        (), description="Zones of which it feeds every sensor."
    )

    @property
    def feeds(self) -> tuple[str, ...]:
        """Return everything that it feeds, by name."""
        return self.sensors + self.agents + self.zones

    def conflicts(self) -> Iterator[Conflict]:
        """A supply feeds something, each once."""
        if not self.feeds:
            yield ("sensors",), "feeds nothing: leave the entry out, then it is taken to feed its zone"
        for key in ("sensors", "agents", "zones"):
            if len(set(getattr(self, key))) < len(getattr(self, key)):
                yield (key,), "names something twice"


class Camera(Section):
    """A camera that shows a place; hubwatch links to it and records nothing."""

    id: ConfigId = Field(description="Name of the camera.", examples=["cam-12"])
    covers: Annotated[tuple[ConfigId, ...], Field(min_length=1, max_length=MAX_ENTRIES)] = Field(
        description="Sensors whose place it shows."
    )
    page: Annotated[str, Field(max_length=1000), AfterValidator(_page)] = Field(
        description="What a person's browser opens; {time_iso}, {time_unix}, {sensor} and {camera} are filled in."
    )


class FarPlace(Section):
    """A zone of another hub."""

    hub: ConfigId = Field(description="The hub.")
    zone: ConfigId = Field(description="Its zone.")


class Travel(Section):
    """The least time between places that no path joins."""

    from_: ConfigId | FarPlace = Field(alias="from", description="A zone, or {hub, zone} of another hub.")
    to: ConfigId | FarPlace = Field(description="A zone, or {hub, zone} of another hub.")
    seconds: Seconds = Field(description="The least that a person needs.")

    def conflicts(self) -> Iterator[Conflict]:
        """One end at least is here."""
        if isinstance(self.from_, FarPlace) and isinstance(self.to, FarPlace):
            yield ("to",), "one end must be a zone of this hub"
        elif self.from_ == self.to:
            yield ("to",), "leads to where it comes from"


class Shift(Section):
    """When people work."""

    name: Label = Field(description="Name of the shift.", examples=["early"])
    days: Annotated[str, AfterValidator(_days)] = Field(description="Days it begins on, as in mon-fri.")
    from_: Clock = Field(alias="from", description="When it begins, in the hub's time zone.")
    to: Clock = Field(description="When it ends; on the next day when that is earlier.")

    def conflicts(self) -> Iterator[Conflict]:
        """A shift has a length."""
        if self.from_ == self.to:
            yield ("to",), "must be another time than from"

    @property
    def hours(self) -> tuple[time, time]:
        """Return its begin and its end as times of day."""
        return time.fromisoformat(self.from_), time.fromisoformat(self.to)


class LevelCheck(Section):
    """What people have to do while a security level is in force."""

    id: ConfigId = Field(description="Name of the check; what was ticked stands under it.", examples=["patrols"])
    levels: Annotated[tuple[Literal[1, 2, 3], ...], Field(min_length=1, max_length=3)] = Field(
        description="The security levels at which it is to be done."
    )
    text: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")] = Field(
        description="What is to be done, in one sentence.", examples=["Walk the quay fence every hour, in pairs."]
    )


class HubSite(Section):
    """What stands where at one hub. Metres, seconds; x and y in metres on the hub's own plan."""

    hub: HubFacts = Field(description="The hub itself.")
    plan: Plan | None = Field(None, description="The plan that boards and the console draw on.")
    zones: Annotated[tuple[Zone, ...], Field(max_length=MAX_ENTRIES)] = Field((), description="Its zones.")
    paths: Annotated[tuple[WalkingPath, ...], Field(max_length=MAX_ENTRIES)] = Field(
        (), description="Who walks from one zone to the next needs at least so long."
    )
    doors: Annotated[tuple[Door, ...], Field(max_length=MAX_ENTRIES)] = Field((), description="Doors between zones.")
    fences: Annotated[tuple[Fence, ...], Field(max_length=MAX_ENTRIES)] = Field(
        (), description="Perimeter sensors along each line, the outermost line first."
    )
    lanes: Annotated[tuple[VehicleLane, ...], Field(max_length=MAX_ENTRIES)] = Field(
        (), description="What vehicles pass, in order; what should happen and does not is found."
    )
    sensors: Annotated[tuple[SensorPlace, ...], Field(max_length=MAX_ENTRIES)] = Field(
        (), description="Where sensors stand."
    )
    supplies: Annotated[tuple[Supply, ...], Field(max_length=MAX_SUPPLIES)] = Field(
        (), description="What supplies feed; one that is not named is taken to feed its zone."
    )
    cameras: Annotated[tuple[Camera, ...], Field(max_length=MAX_ENTRIES)] = Field(
        (), description="Cameras that show a place."
    )
    travel: Annotated[tuple[Travel, ...], Field(max_length=MAX_ENTRIES)] = Field(
        (), description="Between hubs, or zones that no path joins."
    )
    shifts: Annotated[tuple[Shift, ...], Field(max_length=500)] = Field((), description="When people work.")
    checks: Annotated[tuple[LevelCheck, ...], Field(max_length=MAX_CHECKS)] = Field(
        (), description="What people have to do at which security level, in this order: its checklist."
    )

    @classmethod
    def conflicts_between(cls, parts: Partial[Any]) -> Iterator[Conflict]:
        """Everything that is named exists, once, and lies on the plan."""
        yield from consistency.of_site(parts)

    def sensor_names(self) -> frozenset[str]:
        """Return every sensor that is named anywhere."""
        return frozenset(
            [
                *(door.sensor for door in self.doors),
                *(section.sensor for fence in self.fences for section in fence.sections),
                *(behind.sensor for fence in self.fences for behind in fence.behind),
                *(step.sensor for lane in self.lanes for step in lane.steps),
                *(place.id for place in self.sensors),
                *(name for supply in self.supplies for name in (supply.sensor, *supply.sensors)),
                *(name for camera in self.cameras for name in camera.covers),
            ]
        )
