"""How urgency and state look, the same on every board."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DashboardRegexMapOptions,
    DashboardSpecialValueMapOptions,
    DynamicConfigValue,
    RegexMap,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.dashboard import ThresholdsConfig as Thresholds

# IEC 62682 asks for few colours, none of them for the normal state. They are told apart by eyes of every kind
# (docs/decisions/0121); Grafana's own orange and yellow are not.
URGENT, HIGH, MEDIUM, LOW, GREY = "#A50F20", "#F08A24", "#FBE67B", "#2C6DC2", "#8A8A8A"
CALM = "transparent"

PRIORITY = {
    "1": ("1 critical", URGENT),
    "2": ("2 high", HIGH),
    "3": ("3 medium", MEDIUM),
    "4": ("4 low", LOW),
}
ALARM_STATE = {
    "unacknowledged": ("nobody has it", URGENT),
    "returned": ("over, not taken", HIGH),
    "acknowledged": ("taken", CALM),
    "shelved": ("shelved", LOW),
    "suppressed": ("expected", LOW),
    "out_of_service": ("out of service", LOW),
}
GAP_CAUSE = {
    "unexplained": ("unexplained", URGENT),
    "evicted": ("evicted", HIGH),
    "dead-lettered": ("dead-lettered", HIGH),
    "agent down": ("agent down", LOW),
    "link down": ("link down", LOW),
}
BAD_EVENTS = {
    "access.denied": ("access.denied", HIGH),
    "door.forced": ("door.forced", URGENT),
    "door.held": ("door.held", MEDIUM),
    "device.tamper": ("device.tamper", URGENT),
    "device.alarm": ("device.alarm", HIGH),
    "device.fault": ("device.fault", MEDIUM),
    "perimeter.alarm": ("perimeter.alarm", HIGH),
    "power.lost": ("power.lost", HIGH),
}
SIGHT = {
    "BLIND": ("BLIND", HIGH),
    "PARTLY BLIND": ("PARTLY BLIND", HIGH),
    "without sensor": ("without sensor", HIGH),
    "STALE": ("STALE", GREY),
    "never heard": ("never heard", GREY),
    "uncertain": ("uncertain", MEDIUM),
    "clock doubted": ("clock doubted", MEDIUM),
}
"""Whether something is seen; that it is has no colour."""
WORKS = {"NOT SURE": ("NOT SURE", URGENT)}
AGENT_STATE = {"OFFLINE": ("OFFLINE", HIGH), "SILENT": ("SILENT", HIGH)}
JUDGEMENT = {
    "OVER": ("OVER", HIGH),
    "NOT WATCHED": ("NOT WATCHED", GREY),
    "not enough days": ("not enough days", GREY),
    "not judged": ("not judged", GREY),
}
BANDS = {"0": ("–", CALM)} | PRIORITY
"""A timeline's value: the priority of what was found, 0 while nothing was."""
TOLD = {"nobody": ("nobody", URGENT), "unrouted": ("unrouted", MEDIUM)}
"""Whether people were told of an alarm that nobody has taken; that they were is not coloured."""


NOT_KNOWN = "NOT KNOWN"
"""What a panel says when the database has not answered. The only text a panel may have for no data."""

NOTHING_HERE = "–"
"""What a table says in a cell that is empty."""


def _special(match: SpecialValueMatch, text: str, colour: str) -> SpecialValueMap:
    result = ValueMappingResult(text=text, color=colour, index=0)
    return SpecialValueMap(DashboardSpecialValueMapOptions(match=match, result=result))


def empty_cells() -> list[ValueMapping]:
    """Return the mappings of an empty cell: without them Grafana fills it with the panel's text for no data."""
    return [_special(match, NOTHING_HERE, CALM) for match in (SpecialValueMatch.NULL, SpecialValueMatch.EMPTY)]


def no_number() -> list[ValueMapping]:
    """Return the mapping of a number that is missing: Grafana's stat panel applies it to no data as well."""
    return [_special(SpecialValueMatch.NULL_AND_NAN, NOT_KNOWN, URGENT)]


def sentence() -> list[DynamicConfigValue]:
    """Return the properties of the column in which a table says what it means that there is nothing.

    That this is not known has the colour of an alarm. Nothing of it is cut.
    """
    not_known = RegexMap(
        DashboardRegexMapOptions(
            pattern=f"^({NOT_KNOWN}.*)$", result=ValueMappingResult(text="$1", color=URGENT, index=0)
        )
    )
    return [
        DynamicConfigValue("mappings", [not_known, *empty_cells()]),
        DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic", "wrapText": True}),
        DynamicConfigValue("thresholds", Thresholds(steps=[Threshold(value=None, color=CALM)])),
    ]


def coloured(
    words: Mapping[str, tuple[str, str]], width: int | None = None, *, other: str = CALM
) -> list[DynamicConfigValue]:
    """Return a table column's properties: each value as its word on its colour; `width` is in pixels.

    A value without a word has the colour `other`: none, unless said, because the normal is not coloured.
    """
    mapping = ValueMap(
        {
            value: ValueMappingResult(text=text, color=colour, index=index)
            for index, (value, (text, colour)) in enumerate(words.items())
        }
    )
    cell = common.TableColoredBackgroundCellOptions(mode=common.TableCellBackgroundDisplayMode.BASIC)
    properties = [
        # A column's own mappings take the place of the panel's, those of empty cells among them.
        DynamicConfigValue("mappings", [mapping, *empty_cells()] if words else empty_cells()),
        DynamicConfigValue("custom.cellOptions", cell),
        # Without thresholds of its own a column has Grafana's, which are green and red.
        DynamicConfigValue("thresholds", Thresholds(steps=[Threshold(value=None, color=other)])),
    ]
    return properties if width is None else [*properties, DynamicConfigValue("custom.width", width)]


def bands() -> list[ValueMapping]:
    """Return the mappings of a timeline of priorities."""
    texts = {
        value: ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(BANDS.items())
    }
    return [ValueMap(texts)]


def none_is_calm(colour: str = URGENT) -> ThresholdsConfig:
    """Return thresholds under which 0 has no colour and 1 or more has this one."""
    return ThresholdsConfig().steps([Threshold(value=None, color=CALM), Threshold(value=1, color=colour)])
