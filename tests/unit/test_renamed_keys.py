"""Keys that got a new name: the old one is refused with the new one in the message, in file and environment alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hubwatch_agents.config.library import PROFILES
from hubwatch_agents.settings import AgentSettings
from hubwatch_alarms.settings import AlarmsSettings, CommandSettings
from hubwatch_collector.settings import CollectorSettings
from hubwatch_core.config import Section, validate
from hubwatch_core.config.load import load
from hubwatch_core.config.section import types_in
from hubwatch_core.errors import ConfigError
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_ops.up import load as load_hub

ROOTS: tuple[type[Section], ...] = (
    AgentSettings,
    CollectorSettings,
    DetectorsSettings,
    AlarmsSettings,
    *PROFILES.values(),
)

RENAMED = {
    "background_least": "min_background_samples",
    "batch_bytes": "max_batch_bytes",
    "batch_messages": "max_batch_messages",
    "fastest_m_s": "max_speed_m_s",
    "held_bytes": "max_held_bytes",
    "least_history": "min_history",
    "least_s": "min_s",
    "least_steps": "min_steps",
    "longest_s": "max_s",
    "maximum": "max",
    "minimum": "min",
    "most": "max_events",
    "most_bytes": "max_bytes",
    "most_unacknowledged": "max_unacknowledged",
    "newest_s": "max_future_s",
    "oldest_days": "max_age_days",
    "pool_max": "max_connections",
    "pool_min": "min_connections",
    "receive_maximum": "max_in_flight",
    "reconnect_max_s": "max_reconnect_s",
    "report_max_s": "max_report_s",
    "retry_max_s": "max_retry_s",
    "slowest_m_s": "min_speed_m_s",
    "unsaved_most": "max_unsaved",
    "window": "max_in_flight",
    "wire": "address",
}


def _models(roots: tuple[type[Section], ...]) -> Iterator[type[Section]]:
    seen: set[type[Section]] = set()
    waiting = list(roots)
    while waiting:
        model = waiting.pop()
        if model in seen:
            continue
        seen.add(model)
        yield model
        kinds = [kind for field in model.model_fields.values() for kind in types_in(field.annotation)]
        waiting += [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)]


MODELS = tuple(_models(ROOTS))
CASES = [(model, old, new) for model in MODELS for old, new in model.old_names().items()]


def test_every_key_that_was_renamed_is_declared() -> None:
    assert {old: new for _, old, new in CASES} == RENAMED


@pytest.mark.parametrize(("model", "old", "new"), CASES, ids=lambda each: getattr(each, "__name__", each))
def test_old_key_is_refused_with_the_new_one_in_the_message(model: type[Section], old: str, new: str) -> None:
    assert new in model.model_fields
    assert old not in model.model_fields
    _, mistakes = validate(model, {old: 5}, ("here",))
    assert (("here", old), f"is now called {new}") in mistakes
    assert ("here", new) not in [mistake.path for mistake in mistakes], "that it is missing follows from it"


@pytest.mark.parametrize(
    ("model", "variable", "key", "new"),
    [
        (AgentSettings, "HUBWATCH_MQTT__RECONNECT_MAX_S", "mqtt.reconnect_max_s", "max_reconnect_s"),
        (CollectorSettings, "HUBWATCH_DATABASE__POOL_MAX", "database.pool_max", "max_connections"),
        (DetectorsSettings, "HUBWATCH_UNSAVED_MOST", "unsaved_most", "max_unsaved"),
        (DetectorsSettings, "HUBWATCH_FROZEN__LEAST_S", "frozen.least_s", "min_s"),
        (AlarmsSettings, "HUBWATCH_SHELVING__LONGEST_S", "shelving.longest_s", "max_s"),
    ],
)
def test_old_key_in_a_variable_is_refused_too(model: type[Section], variable: str, key: str, new: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(model, env={variable: "5", "HUBWATCH_HUB": "h", "HUBWATCH_AGENT": "a"})
    assert [str(problem) for problem in caught.value.problems] == [f"{variable}: {key}: is now called {new}"]


def test_old_keys_in_the_file_of_a_hub_are_refused_under_their_components(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(
        "[mqtt]\nreceive_maximum = 5\n[collector.intake]\nheld_bytes = 5\n[detectors]\nunsaved_most = 5\n"
        "[alarms.shelving]\nlongest_s = 5\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_hub(file)
    assert [f"{problem.key}: {problem.message}" for problem in caught.value.problems] == [
        "mqtt.receive_maximum: is now called max_in_flight",
        "collector.intake.held_bytes: is now called max_held_bytes",
        "detectors.unsaved_most: is now called max_unsaved",
        "alarms.shelving.longest_s: is now called max_s",
    ]


def test_commands_of_alarms_refuse_an_old_key_wherever_it_stands(tmp_path: Path) -> None:
    for table in ("shelving", "alarms.shelving"):
        (tmp_path / "hub.toml").write_text(f"[{table}]\nlongest_s = 5\n", encoding="utf-8")
        with pytest.raises(ConfigError, match="longest_s: is now called max_s"):
            load(CommandSettings, tmp_path / "hub.toml", env={})
