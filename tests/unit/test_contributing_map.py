"""The map of CONTRIBUTING is true: a protocol, a detector and a route are added to a copy of the tree as it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("core", "agents", "collector", "detectors", "alarms", "dashboards", "ops", "tests")

PROTOCOL = """
from typing import Literal

from pydantic import Field

from hubwatch_agents.connections import ConnectionSection
from hubwatch_agents.profiles.measure import Measure
from hubwatch_agents.profiles.provenance import Provenance
from hubwatch_agents.protocol import ProtocolDescriptor


class PigeonConnection(ConnectionSection):
    '''A loft.'''

    transport: Literal["pigeon"] = Field(description="By air.")
    loft: str = Field(examples=["north"], description="Where they come home to.")


class PigeonProfile(Provenance):
    '''The profile of a pigeon.'''

    protocol: Literal["pigeon"] = Field(description="What it speaks.")
    period_ms: int = Field(60_000, description="How often it comes.")
    channels: tuple[Measure, ...] = Field(description="What it carries.")


PROTOCOL = ProtocolDescriptor(
    name="pigeon",
    connections=(PigeonConnection,),
    profile=PigeonProfile,
    module="hubwatch_agents.drivers.pigeon.driver",
)
"""
DRIVER = """
class Driver:
    def __init__(self, connection, devices, context):
        self.loft = connection.loft


def problems(connection, devices):
    if len(devices) > 1:
        yield "one pigeon carries one device"


def device_problems(device):
    return ()


def summary(connection, devices):
    yield f"{connection.name}: {len(devices)} pigeons"
"""
USE_PROTOCOL = """
import sys
from pathlib import Path

from hubwatch_agents.cli.profile_schema import page
from hubwatch_agents.config.line_report import lines
from hubwatch_agents.config.load import read
from hubwatch_agents.drivers.registry import make
from hubwatch_agents.protocols import transports
from hubwatch_agents.settings import AgentSettings
from hubwatch_core.config.sample import sample
from hubwatch_core.errors import ConfigError

path = Path(sys.argv[1])
whole = read(path)
assert list(lines(whole)) == ["air: 1 pigeons"]
assert make(whole.settings.connections[0], whole.devices, None).loft == "south"
shown = sample(AgentSettings, "")
assert '# transport = "pigeon"' in shown and "# Where they come home to." in shown
assert "## PigeonProfile" in page()
assert "pigeon" in transports()
text = path.read_text()
path.write_text(text + text[text.index("[[devices]]"):].replace('"s"', '"t"'))
try:
    read(path)
except ConfigError as error:
    assert "one pigeon carries one device" in str(error)
else:
    raise AssertionError
"""
AGENT = """
hub = "h"
agent = "a"
profile_folders = ["."]
[[connections]]
name = "air"
transport = "pigeon"
loft = "south"
[[devices]]
sensor = "s"
zone = "z"
profile = "homer"
connection = "air"
"""
PROFILE = """
id = "homer"
title = "Homer"
kind = "process"
protocol = "pigeon"
source = ["made for tests"]
confidence = "generic"
[[channels]]
name = "x"
unit = "1"
"""
DETECTOR = """
from dataclasses import replace

from pydantic import Field

from hubwatch_detectors.integrity import frozen


class DummyConfig(frozen.FrozenConfig):
    '''When nothing is found.'''

    patience_s: float = Field(5.0, gt=0, description="Seconds until it gives up.")


SPEC = replace(frozen.SPEC, name="dummy", types=("dummy.found",), config=DummyConfig)
"""
USE_DETECTOR = """
from hubwatch_core.config.sample import sample
from hubwatch_detectors.registry import specs
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_ops.up import hub_model

settings = DetectorsSettings.model_validate({"dummy": {"patience_s": 7}})
assert settings.rules().configs["dummy"].patience_s == 7
assert "[dummy]" in sample(DetectorsSettings, "") and "# Seconds until it gives up." in sample(DetectorsSettings, "")
assert "[detectors.dummy]" in sample(hub_model(), "")
assert "dummy" in [spec.name for spec in specs()]
"""
ROUTE = """
from typing import Literal

from pydantic import Field

from hubwatch_alarms.notify.route import RouteSection


class HornSection(RouteSection):
    '''Settings of a horn.'''

    kind: Literal["horn"] = Field(description="horn: it sounds.")
    pitch: int = Field(440, description="How high it sounds.")

    def open(self):
        '''Make the route.'''
        return f"a horn at {self.pitch} Hz"
"""
USE_ROUTE = """
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_core.config.sample import sample

(route,) = AlarmsSettings.model_validate({"routes": [{"name": "h", "kind": "horn", "pitch": 220}]}).routes
assert route.open() == "a horn at 220 Hz"
assert '# kind = "horn"' in sample(AlarmsSettings, "") and "# How high it sounds." in sample(AlarmsSettings, "")
"""


class Copy:
    """A copy of the tree, changed as the map says."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        for name in COPIED:
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__", "build"))
        shutil.copy(ROOT / "pyproject.toml", self.root)

    def add(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def change(self, file: str, *lines: tuple[str, str]) -> None:
        """Put a line after another, each once."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        for after, line in lines:
            assert text.count(f"{after}\n") == 1, after
            text = text.replace(f"{after}\n", f"{after}\n{line}\n")
        path.write_text(text, encoding="utf-8")

    def run(self, *command: str) -> str:
        path = os.pathsep.join(str(self.root / each) for each in COPIED)
        env = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, *command], cwd=self.root, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_protocol_is_a_folder_an_import_and_a_line(copy: Copy, tmp_path: Path) -> None:
    folder = "agents/hubwatch_agents/drivers/pigeon"
    copy.add(f"{folder}/__init__.py", "")
    copy.add(f"{folder}/protocol.py", PROTOCOL)
    copy.add(f"{folder}/driver.py", DRIVER)
    copy.change(
        "agents/hubwatch_agents/protocols.py",
        (
            "from hubwatch_agents.drivers.mqtt import protocol as mqtt",
            "from hubwatch_agents.drivers.pigeon import protocol as pigeon",
        ),
        ("    mqtt.PROTOCOL,", "    pigeon.PROTOCOL,"),
    )
    (tmp_path / "agent.toml").write_text(AGENT, encoding="utf-8")
    (tmp_path / "homer.toml").write_text(PROFILE, encoding="utf-8")
    copy.run("-c", USE_PROTOCOL, str(tmp_path / "agent.toml"))


def test_detector_is_a_file_an_import_and_a_line_and_the_shared_checks_see_it(copy: Copy) -> None:
    copy.add("detectors/hubwatch_detectors/integrity/dummy.py", DETECTOR)
    registry = "detectors/hubwatch_detectors/registry.py"
    copy.change(
        registry,
        ("from hubwatch_detectors.contract import Spec", "from hubwatch_detectors.integrity import dummy"),
        ("    frozen.SPEC,", "    dummy.SPEC,"),
    )
    copy.run("-c", USE_DETECTOR)
    checks = copy.run("-m", "pytest", "--collect-only", "-q", "tests/contract/test_detectors_checks.py")
    assert "[dummy" in checks


def test_route_is_a_file_an_import_and_a_line(copy: Copy) -> None:
    copy.add("alarms/hubwatch_alarms/notify/horn.py", ROUTE)
    copy.change(
        "alarms/hubwatch_alarms/notify/table.py",
        (
            "from hubwatch_alarms.notify import apprise, cap, log, services, siren, smtp, webhook",
            "from hubwatch_alarms.notify import horn",
        ),
        ("    log.LogRouteSection  # one line a kind of route", "    | horn.HornSection"),
    )
    copy.run("-c", USE_ROUTE)
