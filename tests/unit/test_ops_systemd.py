"""The units are understood by systemd, start commands that exist, and leave little exposed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.main import get_command

from hubwatch_agents import service
from hubwatch_agents.config.load import check
from hubwatch_agents.config.load import load as load_agent
from hubwatch_console import service as console
from hubwatch_console.server import STOP_WITHIN_S
from hubwatch_console.settings import ConsoleSettings
from hubwatch_core.config.load import load as load_config
from hubwatch_core.process import EXIT_CONFIG, Context, Part
from hubwatch_core.process.service import CANCEL_TIMEOUT_S, STOP_TIMEOUT_S
from hubwatch_ops.cli import build
from hubwatch_ops.enrolment import service as enrolment
from hubwatch_ops.enrolment.settings import EnrolmentSettings, load_enrolment
from hubwatch_ops.up import load
from support.pki_folder import PASSPHRASE, PkiFolder

FOLDER = Path(__file__).parents[2] / "ops" / "systemd"
UNITS = sorted(each for each in FOLDER.glob("*.service") if each.stem != "hubwatch-reload")
"""Those that run hubwatch."""
RELOAD = FOLDER / "hubwatch-reload.service"
INSTALLED = "/opt/hubwatch/bin/hubwatch"
ANALYZE = shutil.which("systemd-analyze")


def _values(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def test_there_is_a_unit_for_the_gateway_and_one_for_each_program_of_a_hub() -> None:
    assert [unit.stem for unit in UNITS] == ["hubwatch-agent", "hubwatch-console", "hubwatch-enrol", "hubwatch-up"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_commands_exist_and_take_the_options(unit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in _values(unit, "ExecStart") + _values(unit, "ExecStartPre"):
        program, *words = command.split()
        assert program == INSTALLED
        with pytest.raises(SystemExit) as ended:
            get_command(build(words))([*words[:-2], "--help"])
        assert ended.value.code == 0
        assert words[-2] in capsys.readouterr().out


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_is_watched_and_restarted_except_when_its_configuration_is_wrong(unit: Path) -> None:
    assert _values(unit, "Type") == ["notify"]
    assert float(_values(unit, "WatchdogSec")[0]) > 0
    assert _values(unit, "Restart") == ["always"]
    assert _values(unit, "RestartPreventExitStatus") == [str(EXIT_CONFIG)]


def _sample(package: str, folder: Path) -> Path:
    file = folder / "sample.toml"
    file.write_text((resources.files(package) / "sample.toml").read_text(encoding="utf-8"), encoding="utf-8")
    return file


def _time_to_stop_s(parts: Sequence[Part]) -> float:
    return len(parts) * (STOP_TIMEOUT_S + CANCEL_TIMEOUT_S)  # one after the other


@pytest.fixture
def hub_with_all(tmp_path: Path) -> Path:
    """A hub's file with everything that `hubwatch up` can serve, each with its own certificate."""
    pki = PkiFolder(tmp_path)
    own = pki.service("enrolment")
    (tmp_path / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
    file = tmp_path / "hub.toml"
    file.write_text(f"""
[console]
[enrolment]
cert_file = "{own.cert_file}"
key_file = "{own.key_file}"
pki_folder = "{pki.authority.folder}"
passphrase_file = "{tmp_path / "passphrase"}"
broker = "hub.example:8883"
[collector.broker_log]
file = "{tmp_path / "nats.log"}"
hub = "rotterdam"
nats_monitor = "http://127.0.0.1:8222"
[alarms.heartbeat]
url = "https://beats.example/hub"
[[alarms.routes]]
name = "watch"
kind = "log"
""", encoding="utf-8")  # fmt: skip
    return file


def _parts(unit: str, folder: Path, hub: Path) -> Sequence[Part]:
    context = Context.make(unit)
    if unit == "hubwatch-up":
        return load(hub).parts(context)
    if unit == "hubwatch-console":
        return console.parts(ConsoleSettings(), context)
    if unit == "hubwatch-enrol":
        settings = load_enrolment(hub)
        return enrolment.parts(settings.section, settings.mqtt, settings.database, context)
    file = _sample("hubwatch_agents", folder)
    with patch.object(service, "Agent"):  # without its spool
        return service.checked_parts(check(load_agent(file), str(file)), context, path=file)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_gives_all_its_parts_the_time_they_have(unit: Path, tmp_path: Path, hub_with_all: Path) -> None:
    parts = _parts(unit.stem, tmp_path, hub_with_all)
    assert float(_values(unit, "TimeoutStopSec")[0]) > _time_to_stop_s(parts)


def test_hub_with_all_serves_console_and_enrolment(tmp_path: Path, hub_with_all: Path) -> None:
    names = {part.name for part in _parts("hubwatch-up", tmp_path, hub_with_all)}
    assert {"api", "enrolment", "collector", "detectors", "maintenance", "alarms.sender"} <= names
    assert {"broker log", "client ids", "alarms.heartbeat"} <= names


def test_requests_at_work_end_within_the_time_of_a_part() -> None:
    assert STOP_WITHIN_S < STOP_TIMEOUT_S


@pytest.mark.parametrize("unit", [*UNITS, RELOAD, RELOAD.with_suffix(".path")], ids=lambda unit: unit.name)
def test_every_line_is_a_comment_a_section_or_a_setting(unit: Path) -> None:
    for line in unit.read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"(|#.*|\[(Unit|Service|Path|Install)\]|[A-Z]\w+=.*)", line), line


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed; the test above reads the units")
@pytest.mark.parametrize("unit", [*UNITS, RELOAD], ids=lambda unit: unit.stem)
def test_systemd_understands_the_unit(unit: Path, tmp_path: Path) -> None:
    here = tmp_path / unit.name
    here.write_text(unit.read_text(encoding="utf-8").replace(INSTALLED, sys.executable), encoding="utf-8")
    done = subprocess.run([str(ANALYZE), "verify", "--man=no", str(here)], capture_output=True, text=True, check=False)
    about_it = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, about_it) == (0, [])


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", [*UNITS, RELOAD], ids=lambda unit: unit.stem)
def test_exposure_is_low(unit: Path) -> None:
    command = [str(ANALYZE), "security", "--offline=true", "--threshold=20", str(unit)]  # 2.0 of 10
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_agent_starts_with_what_was_last_good_and_reloads() -> None:
    unit = FOLDER / "hubwatch-agent.service"
    (start,) = _values(unit, "ExecStart")
    assert start.split()[-2:] == ["--last-good", "/var/lib/hubwatch/last-good.toml"]
    assert _values(unit, "StateDirectory") == ["hubwatch"], "the only place it may write to"
    assert _values(unit, "ExecReload") == ["/bin/kill -HUP $MAINPID"]


def test_agent_may_ask_the_kernel_about_the_clock() -> None:
    unit = FOLDER / "hubwatch-agent.service"
    assert _values(unit, "SystemCallFilter")[-1].split()[:2] == ["adjtimex", "clock_adjtime"]
    assert _values(unit, "CapabilityBoundingSet") == [""], "so it cannot set it"
    assert not _values(unit, "ProtectClock")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_leaves_no_core_has_bounds_and_takes_its_secrets_as_credentials(unit: Path) -> None:
    assert _values(unit, "LimitCORE") == ["0"]
    (memory,) = _values(unit, "MemoryMax")
    assert re.fullmatch(r"[1-9]\d*[MG]", memory)
    assert _values(unit, "TasksMax") == ["256"]
    credentials = _values(unit, "LoadCredential")
    assert sorted(each.split(":")[0] for each in credentials) == sorted(SECRETS[unit.stem])
    assert all(re.fullmatch(r"[a-z]+:hubwatch\.[a-z-]+", each) for each in credentials), "from /etc/credstore"


SECRETS = {
    "hubwatch-agent": {"broker", "subjects"},
    "hubwatch-up": {"broker", "database", "link"},
    "hubwatch-console": {"database", "key", "factors", "link"},
    "hubwatch-enrol": {"database", "key", "passphrase"},
}
"""What each program may read; no other does."""


def test_console_and_enrolment_have_users_and_secrets_of_their_own() -> None:
    hub = [unit for unit in UNITS if unit.stem != "hubwatch-agent"]
    assert len({_values(unit, "User")[0] for unit in hub}) == len(hub)
    sources = [each.split(":")[1] for unit in hub for each in _values(unit, "LoadCredential")]
    shared = {each for each in sources if sources.count(each) > 1}
    assert shared == {"hubwatch.link"}, "which one side writes into messages, and the other checks"
    assert not _values(FOLDER / "hubwatch-console.service", "StateDirectory"), "it writes nowhere"


def test_broker_is_told_of_revoked_certificates_by_a_unit_that_can_do_nothing_else() -> None:
    (watched,) = _values(RELOAD.with_suffix(".path"), "PathChanged")
    assert watched == tomllib.loads(_blocks()[1])["enrolment"]["crl_copy"]
    assert _values(RELOAD, "ExecStart") == ["/bin/systemctl reload mosquitto.service"]
    assert _values(RELOAD, "RestrictAddressFamilies") == ["AF_UNIX"]
    assert _values(RELOAD, "CapabilityBoundingSet") == [""]


def _blocks() -> list[str]:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    return [textwrap.dedent(each) for each in re.findall(r" *```toml\n(.*?)```", text, re.DOTALL)]


def test_configurations_in_the_readme_are_good_and_name_what_the_units_load(tmp_path: Path) -> None:
    api, enrol = _blocks()
    (tmp_path / "console.toml").write_text(api, encoding="utf-8")
    (tmp_path / "enrol.toml").write_text(enrol, encoding="utf-8")
    assert load_config(ConsoleSettings, tmp_path / "console.toml").api.tls is not None
    assert load_config(EnrolmentSettings, tmp_path / "enrol.toml").section.broker
    for text, unit in ((api, "hubwatch-console"), (enrol, "hubwatch-enrol")):
        assert set(re.findall(rf"/run/credentials/{unit}\.service/(\w+)", text)) == SECRETS[unit]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_shows_secrets_neither_in_its_environment_nor_in_its_command(unit: Path) -> None:
    assert not _values(unit, "Environment") + _values(unit, "EnvironmentFile")
    assert not [line for line in _values(unit, "ExecStart") if re.search(r"pass|token|secret|://", line)]
    assert _values(unit, "UMask") == ["0077"]
