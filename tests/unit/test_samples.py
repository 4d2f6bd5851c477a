"""Samples of configuration files: made from the models, complete, and right as they stand."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hubwatch_agents.identity.folder import IdentityFolder
from hubwatch_agents.settings import AgentSettings
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_collector.settings import CollectorSettings
from hubwatch_console.settings import ConsoleSettings
from hubwatch_core.config import Section
from hubwatch_core.config.load import load
from hubwatch_core.config.section import types_in
from hubwatch_core.config.validate import section_types
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_ops.samples import IN_FORCE, main, samples
from hubwatch_ops.up import hub_model
from hubwatch_ops.up import load as load_hub

MODELS: dict[str, type[Section]] = {
    "hubwatch_agents": AgentSettings,
    "hubwatch_collector": CollectorSettings,
    "hubwatch_detectors": DetectorsSettings,
    "hubwatch_alarms": AlarmsSettings,
    "hubwatch_console": ConsoleSettings,
    "hubwatch_ops": hub_model(),
}
FILES = {file.parent.name: file for file, _ in samples()}


def uncommented(text: str) -> dict[str, Any]:
    """Return what a sample says with every line in force that is commented out."""
    return tomllib.loads(re.sub(r"^# ((?:[a-z_]+ = )|\[)", r"\1", text, flags=re.MULTILINE))


def missing(model: type[Section], trees: list[Mapping[str, Any]], path: str = "") -> Iterator[str]:
    """Yield the keys of a model, and of every model inside it, that none of the tables has."""
    for name, field in model.model_fields.items():
        key, here = field.alias or name, f"{path}{field.alias or name}"
        if SecretStr in types_in(field.annotation):
            continue
        values = [tree[key] for tree in trees if key in tree]
        if not values:
            yield here
            continue
        inner = [each for value in values for each in (value if isinstance(value, list) else [value])]
        kinds = section_types(field.annotation)
        for kind in kinds:
            tag = next((each for each in ("transport", "kind") if each in kind.model_fields and len(kinds) > 1), None)
            choices = str(kind.model_fields[tag].annotation) if tag else ""
            mine = [each for each in inner if isinstance(each, Mapping) and (not tag or repr(each[tag]) in choices)]
            yield from missing(kind, mine, f"{here}.")


@pytest.mark.parametrize("name", MODELS)
def test_every_key_of_every_model_is_in_the_sample(name: str) -> None:
    assert list(missing(MODELS[name], [uncommented(FILES[name].read_text(encoding="utf-8"))])) == []


@pytest.mark.parametrize("name", MODELS)
def test_sample_loads_as_it_stands(name: str) -> None:
    load(MODELS[name], FILES[name], env={})


@pytest.mark.parametrize("name", ["hubwatch_collector", "hubwatch_detectors"])
def test_sample_is_the_defaults_but_for_certificates_and_signatures(name: str) -> None:
    model = MODELS[name]
    meant = model.model_validate(IN_FORCE[name.removeprefix("hubwatch_")])
    assert load(model, FILES[name], env={}) == meant
    assert meant != model(), "the sample must not be what hubwatch does without identities"


def test_every_machine_of_the_samples_has_a_certificate_and_signatures_are_demanded() -> None:
    hub = load_hub(FILES["hubwatch_ops"])
    agent = load(AgentSettings, FILES["hubwatch_agents"], env={})
    collector = load(CollectorSettings, FILES["hubwatch_collector"], env={})
    detectors = load(DetectorsSettings, FILES["hubwatch_detectors"], env={})
    machines = [agent.mqtt, collector.mqtt, detectors.mqtt, hub.collector.mqtt, hub.detectors.mqtt]
    assert all(each.tls is not None and each.tls.cert_file is not None for each in machines)
    assert hub.collector.mqtt.tls != hub.detectors.mqtt.tls, "the broker takes the client id from the certificate"
    demanded = [each.signatures for each in (collector.intake, detectors, hub.collector.intake, hub.detectors)]
    assert demanded == ["require"] * 4
    assert agent.signing_key_file == IdentityFolder(Path(str(agent.identity.folder))).key_file


@pytest.mark.parametrize("name", MODELS)
def test_every_key_of_a_sample_is_explained_where_it_stands_first(name: str) -> None:
    lines = FILES[name].read_text(encoding="utf-8").splitlines()
    seen: set[str] = set()
    for before, line in pairwise(lines):
        key = re.match(r"(?:# )?([a-z_]+) = ", line)
        if key is not None and key[1] not in seen:
            seen.add(key[1])
            assert re.match(r"# (?![a-z_]+ = |\[)", before), f"{key[1]} has no explanation"


def test_samples_are_what_the_models_say_and_a_stale_one_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, "run `make samples`"
    file: Path = FILES["hubwatch_alarms"]
    text = file.read_text(encoding="utf-8")
    try:
        file.write_text(text.replace("[delivery]", "[delivry]"), encoding="utf-8")
        assert main(["--check"]) == 1
    finally:
        file.write_text(text, encoding="utf-8")
    assert f"{file} is not what the models say" in capsys.readouterr().err
