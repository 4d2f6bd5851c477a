"""The compose file is whole in itself: what it names exists, and nothing is open that need not be."""

from __future__ import annotations

import re
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from hubwatch_console.service import parts as console_parts
from hubwatch_console.settings import ConsoleSettings
from hubwatch_core.config.load import load as load_config
from hubwatch_core.process import Context
from hubwatch_core.process.service import CANCEL_TIMEOUT_S, STOP_TIMEOUT_S
from hubwatch_ops.cli import build
from hubwatch_ops.enrolment.settings import EnrolmentSettings
from hubwatch_ops.up import load

FOLDER = Path(__file__).parents[2] / "ops" / "compose"
MADE_BY_THE_USER = {"secrets", "broker", "crl", "pki"}
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


def test_only_ports_with_tls_are_open_to_other_machines() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {
        "broker": ["8883:8883"], "console": ["8443:8443"], "enrolment": ["8643:8643"],
        "grafana": ["127.0.0.1:3000:3000"],
    }  # fmt: skip
    api = load_config(ConsoleSettings, FOLDER / "console.toml").api
    enrolment = load_config(EnrolmentSettings, FOLDER / "enrol.toml").section
    assert (api.port, api.tls is not None, api.allow_plain) == (8443, True, False)
    assert enrolment.port == 8643
    page = (FOLDER.parents[1] / "docs" / "reference" / "ports.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d+)/tcp \|", page, re.MULTILINE)
    assert {"8883", "8443", "8643", "3000"} <= set(listed)


@pytest.mark.parametrize("service", ["hub", "console", "enrolment"])
def test_configuration_names_only_what_is_mounted(service: str) -> None:
    (name,) = [each for each in SERVICES[service]["command"] if each.endswith(".toml")]
    config = tomllib.loads((FOLDER / Path(name).name).read_text(encoding="utf-8"))
    mounted = {volume.split(":")[1] for volume in SERVICES[service]["volumes"]}
    mounted |= {f"/run/secrets/{each}" for each in SERVICES[service]["secrets"]}
    paths = [each for each in _texts(config) if each.startswith("/")]
    assert paths
    assert [each for each in paths if not any(each == to or each.startswith(f"{to}/") for to in mounted)] == []


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def test_each_program_logs_in_to_the_database_as_itself() -> None:
    console = load_config(ConsoleSettings, FOLDER / "console.toml").database
    assert console.dsn.startswith("postgresql://hubwatch_console@")
    assert str(console.password_file) == "/run/secrets/database_console"
    assert "console=/run/secrets/database_console" in SERVICES["roles"]["command"]
    assert "database_console" not in SERVICES["hub"]["secrets"] + SERVICES["enrolment"]["secrets"]
    enrolment = load_config(EnrolmentSettings, FOLDER / "enrol.toml").database
    assert enrolment.dsn.startswith("postgresql://hubwatch_enrol@")
    assert str(enrolment.password_file) == "/run/secrets/database_enrol"
    assert "enrol=/run/secrets/database_enrol" in SERVICES["roles"]["command"]
    assert "database_up" not in SERVICES["enrolment"]["secrets"]


def test_only_enrolment_has_the_authority_and_only_there_something_is_written() -> None:
    written = {
        name: [volume for volume in service["volumes"] if volume.startswith(".") and not volume.endswith(":ro")]
        for name, service in SERVICES.items()
        if "volumes" in service
    }
    assert {name: each for name, each in written.items() if each} == {
        "enrolment": ["./pki:/etc/hubwatch/pki", "./crl:/etc/hubwatch/crl"]
    }
    assert [name for name, service in SERVICES.items() if "pki_passphrase" in service.get("secrets", [])] == [
        "enrolment"
    ]


def test_broker_is_told_of_a_new_list_of_revoked_certificates(tmp_path: Path) -> None:
    reload = SERVICES["reload"]
    assert reload["pid"] == "service:broker"
    assert (reload["network_mode"], reload["user"], reload["cap_drop"]) == ("none", "1883:1883", ["ALL"])
    assert reload["image"] == SERVICES["broker"]["image"], "which has the shell and the broker's user"
    crl, told, waits = tmp_path / "crl.pem", tmp_path / "told", tmp_path / "waits"
    crl.write_text("first", encoding="utf-8")
    (command,) = reload["command"]
    script = command.replace("$$", "$").replace("/crl/crl.pem", str(crl)).replace("kill -HUP 1", f"echo >> {told}")
    script = script.replace("sleep 5", f"echo >> {waits} && sleep 0.05")
    assert "kill" not in script

    def lines(file: Path) -> int:
        return len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0

    with subprocess.Popen(["/bin/sh", "-c", script]) as running:
        try:
            _until(lambda: lines(waits) > 2)
            assert lines(told) == 0, "the list that is there is what the broker began with"
            for number in (1, 2):
                crl.write_text(f"next {number}", encoding="utf-8")
                _until(lambda number=number: lines(told) == number)  # type: ignore[misc]
        finally:
            running.kill()


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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


def _stops_within_s(service: str) -> float:
    return float(SERVICES[service]["stop_grace_period"].removesuffix("s"))


def test_hub_gives_all_its_parts_the_time_they_have() -> None:
    parts = load(FOLDER / "hub.toml").parts(Context.make("up"))
    assert _stops_within_s("hub") > len(parts) * (STOP_TIMEOUT_S + CANCEL_TIMEOUT_S)  # one after the other


def test_console_and_enrolment_have_the_time_of_their_part() -> None:
    assert len(console_parts(ConsoleSettings(), Context.make("console"))) == 1
    for service in ("console", "enrolment"):
        assert _stops_within_s(service) > STOP_TIMEOUT_S + CANCEL_TIMEOUT_S


@pytest.mark.parametrize("service", ["migrate", "hub", "console", "enrolment"])
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
    "console": {"people", "store"},
    "enrolment": {"field", "hub", "store"},
    "grafana": {"store", "people"},
}
"""Networks of each service: gateways must not reach the database, boards not the broker."""


def test_each_service_is_in_its_zones_and_in_no_other() -> None:
    assert {name: set(service["networks"]) for name, service in SERVICES.items() if name != "reload"} == ZONES
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
    for name in ("hub", "migrate", "roles", "console", "enrolment", "reload"):
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
