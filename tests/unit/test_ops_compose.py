"""The compose file is whole in itself: what it names exists, and nothing is open that need not be."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from hubwatch_core.process import Context
from hubwatch_core.process.service import STOP_TIMEOUT_S
from hubwatch_ops.cli import build
from hubwatch_ops.up import load

FOLDER = Path(__file__).parents[2] / "ops" / "compose"
MADE_BY_THE_USER = {"secrets", "broker"}
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def _sources() -> Iterator[tuple[str, str]]:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            yield name, volume.split(":")[0]


def test_every_service_has_an_image_or_a_build() -> None:
    assert all(("image" in service) != ("build" in service) for service in SERVICES.values())


def test_images_are_pinned_to_a_version() -> None:
    images = [service["image"] for service in SERVICES.values() if "image" in service]
    assert all(":" in image and not image.endswith(":latest") for image in images)


def test_mounted_files_exist_or_are_made_by_the_user() -> None:
    for name, source in _sources():
        if source.startswith("."):
            own = Path(source).parts[0] in MADE_BY_THE_USER
            assert own or (FOLDER / source).exists(), f"{name} mounts {source}"


def test_named_volumes_secrets_and_dependencies_are_declared() -> None:
    for name, source in _sources():
        assert source.startswith(".") or source in COMPOSE["volumes"], f"{name}: {source}"
    for name, service in SERVICES.items():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(SERVICES), name


def test_only_the_brokers_tls_port_is_open_to_other_machines() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"broker": ["8883:8883"], "grafana": ["127.0.0.1:3000:3000"]}


def test_no_password_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if "PASSWORD" in key:
                assert key.endswith("_FILE") or str(value).startswith("${"), key


def test_hubs_configuration_is_accepted_and_its_secrets_are_mounted() -> None:
    hub = load(FOLDER / "hub.toml")
    secrets = {f"/run/secrets/{name}" for name in SERVICES["hub"]["secrets"]}
    sections = hub.collector.mqtt.tls, hub.detectors.mqtt.tls
    keys = {str(each.key_file) for each in sections if each is not None}
    assert len(keys) == 2, "the broker takes the client id from the certificate: one for each session"
    assert keys | {str(hub.collector.database.password_file)} <= secrets


def test_hub_gives_all_its_parts_the_time_they_have() -> None:
    parts = load(FOLDER / "hub.toml").parts(Context.make("up"))
    given_s = float(SERVICES["hub"]["stop_grace_period"].removesuffix("s"))
    assert given_s > len(parts) * (STOP_TIMEOUT_S + 1)  # one after the other, with a second to be cancelled in


@pytest.mark.parametrize("service", ["migrate", "hub"])
def test_command_exists(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    *words, option, _ = SERVICES[service]["command"]
    with pytest.raises(SystemExit) as ended:
        get_command(build(words))([*words, "--help"])
    assert ended.value.code == 0
    assert option in capsys.readouterr().out


def test_dockerfile_installs_extras_that_exist() -> None:
    project = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    line = next(line for line in DOCKERFILE.splitlines() if line.startswith("# ["))
    extras = line.split("[", 1)[1].split("]", 1)[0].split(",")
    script = (FOLDER.parents[1] / "ops" / "dev" / "locks.sh").read_text(encoding="utf-8")
    assert f"lock hub {' '.join(extras)}\n" in script
    assert set(extras) <= set(project["optional-dependencies"])
    assert "embedded" not in extras


ZONES = {
    "broker": {"field", "hub"},
    "database": {"store"},
    "migrate": {"store"},
    "roles": {"store"},
    "hub": {"hub", "store"},
    "grafana": {"store", "people"},
}
"""Networks of each service: gateways must not reach the database, boards not the broker."""


def test_each_service_is_in_its_zones_and_in_no_other() -> None:
    assert {name: set(service["networks"]) for name, service in SERVICES.items()} == ZONES
    assert set(COMPOSE["networks"]) == {"field", "hub", "store", "people"}
    assert {name for name, network in COMPOSE["networks"].items() if (network or {}).get("internal")} == {
        "hub",
        "store",
    }


def test_every_service_is_bounded_and_gains_no_privilege() -> None:
    for name, service in SERVICES.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["ulimits"] == {"core": 0}, name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert "privileged" not in service, name
        assert service["image"].count(":") if "image" in service else True


def test_our_own_services_write_nowhere_and_have_no_capability() -> None:
    for name in ("hub", "migrate"):
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert "cap_add" not in SERVICES[name]


def test_image_has_two_stages_runs_as_nobody_and_takes_no_secret() -> None:
    stages = [line for line in DOCKERFILE.splitlines() if line.startswith("FROM ")]
    assert len(stages) == 2
    last = DOCKERFILE.rsplit("FROM ", 1)[1]
    assert "COPY . ." not in last
    assert "pip install" not in last
    assert "USER 10001:10001" in last
    steps = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    assert not [line for line in steps if line.startswith(("ADD", "ARG")) and line != "ARG PYTHON=python:3.13-slim"]
    assert not [
        line for line in steps if "PASSWORD" in line.upper() or "TOKEN" in line.upper() or "SECRET" in line.upper()
    ]
    assert [line for line in steps if "--require-hashes" in line], "what comes from elsewhere is locked"


def test_builder_gets_what_the_image_is_built_of_and_nothing_else() -> None:
    lines = (FOLDER.parents[1] / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    packages = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"][
        "build"
    ]
    wanted = set(packages["targets"]["wheel"]["packages"])
    assert all(any(package == each or package.startswith(f"{each}/") for each in let_in) for package in wanted)
    assert {"pyproject.toml", "README.md", "locks"} <= let_in
    assert not {"ops", "tests", ".git", "ops/compose"} & let_in
    assert {"**/*.key", "**/*.pem", "**/secrets", "**/.env"} <= set(rules)
