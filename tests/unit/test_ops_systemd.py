"""The units are understood by systemd, start commands that exist, and leave little exposed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.main import get_command

from hubwatch_agents import service
from hubwatch_agents.config.load import check
from hubwatch_agents.config.load import load as load_agent
from hubwatch_core.process import EXIT_CONFIG, Context, Part
from hubwatch_core.process.service import STOP_TIMEOUT_S
from hubwatch_ops.cli import build
from hubwatch_ops.up import load

FOLDER = Path(__file__).parents[2] / "ops" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
INSTALLED = "/opt/hubwatch/bin/hubwatch"
ANALYZE = shutil.which("systemd-analyze")


def _values(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def test_there_is_a_unit_for_the_gateway_and_one_for_the_hub() -> None:
    assert [unit.stem for unit in UNITS] == ["hubwatch-agent", "hubwatch-up"]


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
    return len(parts) * (STOP_TIMEOUT_S + 1)  # one after the other, with a second to be cancelled in


def test_hub_gives_all_its_parts_the_time_they_have(tmp_path: Path) -> None:
    parts = load(_sample("hubwatch_ops", tmp_path)).parts(Context.make("up"))
    assert float(_values(FOLDER / "hubwatch-up.service", "TimeoutStopSec")[0]) > _time_to_stop_s(parts)


def test_agent_gives_all_its_parts_the_time_they_have(tmp_path: Path) -> None:
    file = _sample("hubwatch_agents", tmp_path)
    with patch.object(service, "Agent"):  # without its spool
        parts = service.checked_parts(check(load_agent(file), str(file)), Context.make("agent"), path=file)
    assert float(_values(FOLDER / "hubwatch-agent.service", "TimeoutStopSec")[0]) > _time_to_stop_s(parts)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_every_line_is_a_comment_a_section_or_a_setting(unit: Path) -> None:
    for line in unit.read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"(|#.*|\[(Unit|Service|Install)\]|[A-Z]\w+=.*)", line), line


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed; the test above reads the units")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_understands_the_unit(unit: Path, tmp_path: Path) -> None:
    here = tmp_path / unit.name
    here.write_text(unit.read_text(encoding="utf-8").replace(INSTALLED, sys.executable), encoding="utf-8")
    done = subprocess.run([str(ANALYZE), "verify", "--man=no", str(here)], capture_output=True, text=True, check=False)
    about_it = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, about_it) == (0, [])


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
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
    assert "broker:hubwatch.broker" in credentials
    assert all(re.fullmatch(r"[a-z]+:hubwatch\.[a-z]+", each) for each in credentials), "from /etc/credstore"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_shows_secrets_neither_in_its_environment_nor_in_its_command(unit: Path) -> None:
    assert not _values(unit, "Environment") + _values(unit, "EnvironmentFile")
    assert not [line for line in _values(unit, "ExecStart") if re.search(r"pass|token|secret|://", line)]
    assert _values(unit, "UMask") == ["0077"]
