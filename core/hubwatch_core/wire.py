"""Wire format, version 1: encoder, decoder and checks of frames, births, states and detections.

All times are int64 microseconds UTC since 1970. Whatever fails a check here is `Poison`, with a reason that says
what is wrong and where; nothing is repaired or guessed. Golden bytes of every version are in `tests/cases/wire/`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from hubwatch_core.errors import Poison
from hubwatch_core.ids import ID_PATTERN, ULID_PATTERN, is_id
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import ChannelKind, Quality, SensorKind

MAX_FRAME_BYTES = 256 * 1024

MAX_REASON = 300
"""Characters of a reason: msgspec repeats what it did not expect, and that comes from outside."""
MAX_LEVELS = 16
"""Levels of lists and objects inside `attrs` and `evidence`: whatever walks them later must not run out of stack."""

EARLIEST_US = 1_262_304_000_000_000
"""2010-01-01: a time before it comes from a clock that was never set."""
LATEST_US = 4_102_444_800_000_000
"""2100-01-01: a time after it is a unit mistake."""

Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN, max_length=63)]
Ulid = Annotated[str, msgspec.Meta(pattern=ULID_PATTERN)]
Time = Annotated[int, msgspec.Meta(ge=EARLIEST_US, le=LATEST_US)]
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**62)]
Offset = Annotated[int, msgspec.Meta(ge=-(2**52), le=2**52)]
QualityCode = Literal[0, 1, 2]
Reason = Annotated[str, msgspec.Meta(max_length=200)]
QualityMark = QualityCode | tuple[QualityCode, Reason]
Subject = Annotated[str, msgspec.Meta(max_length=200)]
Text = Annotated[str, msgspec.Meta(max_length=1000)]


class Series(msgspec.Struct, frozen=True, omit_defaults=True):
    """Readings of one channel, columnar: reading i is `x[i]` at `t0 + dt[i]` with quality `q[i]`.

    `device` holds the device's own time of each reading as an offset from `t0`, or null where it has none.
    """

    sensor: str
    channel: str
    t0: Time
    dt: list[Offset]
    x: list[float | None]
    q: list[QualityMark] = []
    device: list[Offset | None] = []


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened at `t`; `device` is the device's own time of it where it has a clock."""

    sensor: Id
    t: Time
    type: Id
    subject: Subject | None = None
    attrs: dict[str, Any] = {}
    device: Time | None = None


class Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of an agent; `(hub, agent, epoch, seq)` names it for ever."""

    v: Literal[1]
    hub: Id
    agent: Id
    epoch: Ulid
    seq: Seq
    sent: Time
    late: bool = False
    series: list[Series] = []
    events: list[Event] = []

    @property
    def readings(self) -> int:
        """Return the number of readings."""
        return sum([len(each.x) for each in self.series])

    @property
    def series_names(self) -> Sequence[tuple[str, str]]:
        """Return sensor and channel of each series."""
        return [(each.sensor, each.channel) for each in self.series]

    @property
    def spans(self) -> Iterator[tuple[str, int, int]]:
        """Return what was read from when to when (µs): channel, first, last."""
        return ((s.channel, s.t0 + min(s.dt), s.t0 + max(s.dt)) for s in self.series if s.dt)


class Channel(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measured quantity in an inventory; `period_us` is how often it is read, `resolution` its smallest step.

    `latched` marks a state that stays set until somebody resets it at the device, though its cause may be over.
    """

    name: Id
    unit: Annotated[str, msgspec.Meta(max_length=32)]
    kind: ChannelKind = ChannelKind.GAUGE
    period_us: Annotated[int, msgspec.Meta(ge=1, le=2**52)] | None = None
    resolution: float | None = None
    latched: bool = False


class Sensor(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sensor in an inventory; without a reading for `max_age_s` it counts as silent."""

    sensor: Id
    kind: SensorKind
    zone: Id
    profile: Annotated[str, msgspec.Meta(max_length=100)] = ""
    max_age_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    channels: list[Channel] = []


class Birth(msgspec.Struct, frozen=True):
    """An agent's inventory, retained: what it reads, in which unit, and with which software and configuration."""

    v: Literal[1]
    hub: Id
    agent: Id
    epoch: Ulid
    sent: Time
    software: Annotated[str, msgspec.Meta(max_length=100)]
    config: Annotated[str, msgspec.Meta(max_length=100)]
    inventory: list[Sensor]


class Detection(msgspec.Struct, frozen=True):
    """A detector's finding; never changed afterwards. `end` is null while the condition lasts."""

    id: Ulid
    type: Id
    hub: Id
    sensor: Id
    subject: Subject | None
    start: Time
    end: Time | None
    detected: Time
    score: float
    priority: Annotated[int, msgspec.Meta(ge=1, le=4)]
    detector: Id
    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    late: bool
    why: Text
    evidence: dict[str, Any] = {}


class Clear(msgspec.Struct, frozen=True, omit_defaults=True):
    """The condition of the detection `id` was over at `end`, known at `detected`.

    `why` says why nobody watches it any more, where it is not that the condition was over. `score` is the highest the
    detector saw over the whole condition, where that is more than the detection said.
    """

    id: Ulid
    end: Time
    detected: Time
    why: Text | None = None
    score: float | None = None


ONLINE = b"online"
OFFLINE = b"offline"

_is_id = lru_cache(maxsize=1 << 16)(is_id)
"""Names come again with every frame, and a look into a table costs a tenth of a regular expression."""

_encoder = msgspec.json.Encoder()
_frame = msgspec.json.Decoder(Frame)
_birth = msgspec.json.Decoder(Birth)
_detection = msgspec.json.Decoder(Detection)

Message = TypeVar("Message")


def encode(message: Frame | Birth | Detection | Clear) -> bytes:
    """Encode a message as UTF-8 JSON without line breaks. Does not check it: decoding does."""
    return _encoder.encode(message)


def decode_frame(payload: bytes) -> Frame:
    """Decode and check a frame; raises Poison with the reason."""
    if len(payload) > MAX_FRAME_BYTES:
        raise Poison(f"frame of {len(payload)} bytes is over the limit of {MAX_FRAME_BYTES}")
    frame = _decode(_frame, payload)
    for i, series in enumerate(frame.series):
        if (fault := _fault(series)) is not None:
            raise Poison(one_line(f"series[{i}] {series.sensor[:64]}/{series.channel[:64]}: {fault}"))
    for i, event in enumerate(frame.events):
        _check_levels(event.attrs, f"events[{i}].attrs")
    _check_text(frame, payload)
    return frame


def decode_birth(payload: bytes) -> Birth:
    """Decode and check a birth; raises Poison with the reason."""
    if len(payload) > MAX_FRAME_BYTES:
        raise Poison(f"birth of {len(payload)} bytes is over the limit of {MAX_FRAME_BYTES}")
    birth = _decode(_birth, payload)
    _check_text(birth, payload)
    seen: set[str] = set()
    for sensor in birth.inventory:
        if sensor.sensor in seen:
            raise Poison(f"inventory lists sensor {sensor.sensor} twice")
        seen.add(sensor.sensor)
        names = [channel.name for channel in sensor.channels]
        if len(names) != len(set(names)):
            raise Poison(f"inventory of sensor {sensor.sensor} lists a channel twice")
    return birth


def decode_detection(payload: bytes) -> Detection:
    """Decode and check a detection; raises Poison with the reason."""
    detection = _decode(_detection, payload)
    _check_levels(detection.evidence, "evidence")
    _check_text(detection, payload)
    return detection


def quality_of(mark: QualityMark) -> tuple[Quality, str | None]:
    """Split a mark of `q` into its quality and its reason (None when it has none)."""
    if isinstance(mark, tuple):
        return Quality(mark[0]), mark[1]
    return Quality(mark), None


def _decode(decoder: msgspec.json.Decoder[Message], payload: bytes) -> Message:
    try:
        payload.decode()  # msgspec looks only at the texts it keeps, and the recordings keep the whole line
        return decoder.decode(payload)
    except UnicodeDecodeError as error:
        raise Poison(f"not UTF-8 text (byte {error.start})") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Poison(one_line(str(error)[:MAX_REASON])) from None


def _check_levels(tree: dict[str, Any], where: str) -> None:
    if _deeper(tree, MAX_LEVELS):
        raise Poison(f"{where} is nested deeper than {MAX_LEVELS} levels")


def _deeper(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, list) and (levels == 0 or any(_deeper(item, levels - 1) for item in value))


def _check_text(message: Frame | Birth | Detection, payload: bytes) -> None:
    """PostgreSQL can store no NUL in text; the escape is the only way one gets through JSON."""
    if b"\\u0000" in payload and _has_nul(msgspec.to_builtins(message)):
        raise Poison("a text holds a NUL character")


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list | tuple) and any(_has_nul(item) for item in value)


def _fault(series: Series) -> str | None:
    """Return what is wrong with a series, None when nothing is."""
    t0, dt, x = series.t0, series.dt, series.x
    count = len(x)
    if not (_is_id(series.sensor) and _is_id(series.channel)):
        return "sensor or channel is no valid name"
    if len(dt) != count:
        return f"{count} values but {len(dt)} times"
    if series.q and len(series.q) != count:
        return f"{count} values but {len(series.q)} quality marks"
    if series.device and len(series.device) != count:
        return f"{count} values but {len(series.device)} device times"
    if count and not EARLIEST_US <= t0 + min(dt) <= t0 + max(dt) <= LATEST_US:
        return "a time is outside 2010–2100"
    return None if _all_finite(x) else _value_fault(series)


def _all_finite(values: list[float | None]) -> bool:
    """Tell at a glance that all are finite numbers; a False may be wrong, for a sum of such can overflow."""
    try:
        return math.isfinite(sum(values))  # type: ignore[arg-type]  # None is what the exception is for
    except TypeError:
        return False


def _value_fault(series: Series) -> str | None:
    for i, x in enumerate(series.x):
        if x is None:
            mark = series.q[i] if series.q else 0
            if (mark[0] if isinstance(mark, tuple) else mark) == 0:
                return f"x[{i}] is null but its quality is good"
        elif not math.isfinite(x):
            return f"x[{i}] is not a finite number"
    return None
