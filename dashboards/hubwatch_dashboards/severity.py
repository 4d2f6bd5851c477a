"""How urgency and state look, the same on every board."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, Threshold, ValueMap, ValueMappingResult

# IEC 62682 asks for few colours, none of them for the normal state. Grafana's palette names.
URGENT, HIGH, MEDIUM, LOW, CALM = "dark-red", "dark-orange", "dark-yellow", "dark-blue", "transparent"

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
    "device.fault": ("device.fault", MEDIUM),
    "perimeter.alarm": ("perimeter.alarm", HIGH),
}


def coloured(words: Mapping[str, tuple[str, str]], width: int | None = None) -> list[DynamicConfigValue]:
    """Give a table column's properties: each value as its word on its colour; `width` is in pixels."""
    mapping = ValueMap(
        {
            value: ValueMappingResult(text=text, color=colour, index=index)
            for index, (value, (text, colour)) in enumerate(words.items())
        }
    )
    cell = common.TableColoredBackgroundCellOptions(mode=common.TableCellBackgroundDisplayMode.BASIC)
    properties = [DynamicConfigValue("mappings", [mapping]), DynamicConfigValue("custom.cellOptions", cell)]
    return properties if width is None else [*properties, DynamicConfigValue("custom.width", width)]


def none_is_calm(colour: str = URGENT) -> ThresholdsConfig:
    """Give thresholds under which 0 has no colour and 1 or more has this one."""
    return ThresholdsConfig().steps([Threshold(value=None, color=CALM), Threshold(value=1, color=colour)])
