"""The words of the field, as types. Their meanings stand in `docs/reference/words.md`."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class HubMode(StrEnum):
    """How goods and people move through a hub."""

    SEA = "sea"
    AIR = "air"
    RAIL = "rail"
    LAND = "land"


class SensorKind(StrEnum):
    """What a sensor guards or measures; decides which channels and events it may have."""

    ACCESS = "access"
    PERIMETER = "perimeter"
    RADIATION_PORTAL = "radiation_portal"
    RADIATION_AREA = "radiation_area"
    CHEMICAL = "chemical"
    SCREENING = "screening"
    PROCESS = "process"
    ENVIRONMENT = "environment"
    POWER = "power"


class ChannelKind(StrEnum):
    """How a channel's values move: freely, only upwards, or between named states."""

    GAUGE = "gauge"
    COUNTER = "counter"
    STATE = "state"


class Quality(IntEnum):
    """May a value be believed? The numbers are those of the wire format."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


CLOCK_DOUBT = "clock "
"""So begins every reason that doubts the time of a value and not the value: uncertain, and still to be judged."""


class CommandEvent(StrEnum):
    """What became of a command that an operator asked an agent to give; the types of its events."""

    EXECUTED = "command.executed"
    """The device, or the broker of an MQTT device, has taken it, and what was read back agrees."""
    REFUSED = "command.refused"
    """Not permitted; nothing was sent."""
    FAILED = "command.failed"
    """Not sent, refused by the device, or what was read back differs."""
    UNKNOWN = "command.unknown"
    """Sent, and nobody knows whether it took effect."""


class AlarmState(StrEnum):
    """States of ISA-18.2 / IEC 62682 that an alarm can be in."""

    UNACKNOWLEDGED = "unacknowledged"
    """The condition is present and nobody has taken it."""
    ACKNOWLEDGED = "acknowledged"
    """The condition is present and somebody has it."""
    RETURNED = "returned"
    """The condition has gone but nobody has acknowledged that it was there."""
    NORMAL = "normal"
    """Gone and acknowledged: closed."""
    SHELVED = "shelved"
    """Set aside by a person for a stated time."""
    SUPPRESSED = "suppressed"
    """Expected where it is, for as long as a rule or planned works say so."""
    OUT_OF_SERVICE = "out_of_service"
    """What reports it was taken out of service by a person, until a stated time."""


class Priority(IntEnum):
    """How fast somebody must act; 1 is the most urgent (IEC 62682's four classes)."""

    CRITICAL = 1
    HIGH = 2
    MEDIUM = 3
    LOW = 4
