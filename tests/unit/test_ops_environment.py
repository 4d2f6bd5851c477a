"""Variables of the environment that nobody reads are told, all others are not."""

from __future__ import annotations

import pytest

from hubwatch_agents.settings import AgentSettings
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_collector.settings import CollectorSettings
from hubwatch_console.settings import ConsoleSettings
from hubwatch_core.config import Section
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_ops.environment import sections, unread


def _sections_of(model: type[Section]) -> set[str]:
    """Return the keys under which a variable could stand: those whose value is a table of settings."""
    shapes = model.model_json_schema()
    tables = {
        name
        for name, shape in shapes["properties"].items()
        if any("$ref" in each for each in (shape, *shape.get("anyOf", []), *shape.get("allOf", [])))
    }
    return {name for name in tables if shapes["properties"][name].get("type") != "array"}


def test_sections_are_those_of_all_components_and_of_the_hubs_file() -> None:
    models: list[type[Section]] = [AgentSettings, CollectorSettings, DetectorsSettings, AlarmsSettings, ConsoleSettings]
    assert (
        set().union(*map(_sections_of, models))
        | {
            "collector",
            "detectors",
            "alarms",
            "console",
            "enrolment",
            "backup",
        }
        == sections()
    )


@pytest.mark.parametrize(
    "name",
    [
        "HUBWATCH_MQTT__HOST",
        "HUBWATCH_MQTT__TLS__CA_FILE",
        "HUBWATCH_DATABASE__PASSWORD",
        "HUBWATCH_ALARMS__DELIVERY__GIVE_UP_AFTER_S",
        "HUBWATCH_RADIATION_PORTAL__GAMMA_SIGMA",
        "HUBWATCH_HUB",
        "HUBWATCH_REQUIRE_SERVICES",
        "HUBWATCH_GRAFANA_TOKEN",
        "PATH",
        "NONSENSE__X",
    ],
)
def test_variable_that_somebody_reads_or_that_is_not_ours_is_not_told(name: str) -> None:
    assert unread([name]) == []


def test_variable_of_a_section_nobody_has_is_told() -> None:
    names = ["HUBWATCH_NONSENSE__X", "HUBWATCH_MQQT__HOST", "HUBWATCH_MQTT__HOST", "HUBWATCH___X"]
    assert unread(names) == ["HUBWATCH_MQQT__HOST", "HUBWATCH_NONSENSE__X", "HUBWATCH___X"]
