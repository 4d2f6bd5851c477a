"""The configuration files of the demo, as an installer would write them."""

from __future__ import annotations

from pathlib import Path

from hubwatch_ops.demo.access_controller import DEVICE_ID
from hubwatch_ops.demo.geiger import ROOT
from hubwatch_ops.demo.modbus_device import ModbusDevice
from hubwatch_ops.demo.plant import (
    BEAM_LINE,
    DOOR_LINES,
    DOOR_ZONES,
    EAST_LINES,
    FENCE_LINES,
    HUB,
    READY_LINE,
    REJECT_LINE,
    SCANNER,
    Plant,
)


def write_configs(
    folder: Path, plant: Plant, dsn: str, host: str, port: int, telemetry: int, console: int
) -> dict[str, Path]:
    """Write the files of both agents and of `hubwatch up` (with the ports of its telemetry and console);
    return their paths by name."""
    files = {
        "up": _up(dsn, host, port, telemetry, console),
        "quay": _agent(folder, "quay", host, plant.quay_link.port)
        + _portal(plant.rpm_1)
        + _module(plant.fence)
        + "".join(_fence(sensor, line, "fence") for sensor, line in FENCE_LINES.items()),
        "gate": _agent(folder, "gate", host, port)
        + _portal(plant.rpm_2)
        + _module(plant.doors)
        + "".join(_door(sensor, line) for sensor, line in DOOR_LINES.items())
        + _module(plant.fence_east)
        + "".join(_fence(sensor, line, "fence-east") for sensor, line in EAST_LINES.items())
        + _scanner(plant.scanner)
        + _mqtt_devices(host, port),
    }
    paths = {}
    for name, text in files.items():
        paths[name] = folder / f"{name}.toml"
        paths[name].write_text(text, encoding="utf-8")
    return paths


def _up(dsn: str, host: str, port: int, telemetry: int, console: int) -> str:
    # The embedded broker knows MQTT 3.1.1 and no shared subscriptions, hence no group.
    return f"""
[mqtt]
host = "{host}"
port = {port}
protocol = "3.1.1"

[database]
dsn = "{dsn}"

[telemetry]
port = {telemetry}

[console.api]
port = {console}

[collector.intake]
group = ""

# A hub that has run for days knows its channels; the demo must know them after a quarter of a minute, and so a copied
# stretch is looked for among the last two minutes and believed earlier.
[detectors.replayed]
bits = 40
min_tokens = 50
reach_h = 0.035

# The area monitor speaks 240 times as often as its profile says, so a day of it has the chances of most of a year.
[detectors.radiation_area]
false_alarms_per_day = 1e-6

# The scanner is beside the portal, and both are read by agents that send each second.
[detectors.screening]
grace_s = 1.0

[[alarms.routes]]
name = "watch"
kind = "log"
"""


def _agent(folder: Path, name: str, host: str, port: int) -> str:
    return f"""
hub = "{HUB}"
agent = "{name}"
heartbeat_s = 2.0

[mqtt]
host = "{host}"
port = {port}
protocol = "3.1.1"
max_reconnect_s = 2.0

[spool]
directory = "{folder / f"spool-{name}"}"

[privacy]
subjects = "raw"

# All parts run on one machine and share its clock.
[clock]
trust = "host"
"""


def _module(device: ModbusDevice) -> str:
    return f"""
[[connections]]
name = "{device.name}"
transport = "tcp"
host = "127.0.0.1"
port = {device.port}
# The devices count an answer that this machine, busy with all parts at once, may bring late.
timeout_ms = 2000
"""


def _portal(portal: ModbusDevice) -> str:
    return f"""{_module(portal)}
[[devices]]
sensor = "{portal.name}"
zone = "{portal.name.replace("rpm", "lane")}"
profile = "aspect-rpm"
connection = "{portal.name}"
"""


def _door(sensor: str, line: int) -> str:
    return f"""
[[devices]]
sensor = "{sensor}"
zone = "{DOOR_ZONES[sensor]}"
profile = "moxa-e1210-door"
connection = "doors"
parameters = {{ position_bit = {line}, position_nc = false }}
"""


def _fence(sensor: str, line: int, module: str) -> str:
    return f"""
[[devices]]
sensor = "{sensor}"
zone = "{sensor.replace("fence", "section")}"
profile = "moxa-e1210-fence"
connection = "{module}"
parameters = {{ alarm_bit = {line}, alarm_nc = false }}
"""


def _scanner(module: ModbusDevice) -> str:
    return f"""{_module(module)}
[[devices]]
sensor = "{SCANNER}"
zone = "lane-1"
profile = "generic.xray-contacts"
connection = "{module.name}"
parameters = {{ ready_input = {READY_LINE}, beam_input = {BEAM_LINE}, alarm_input = {REJECT_LINE} }}
"""


def _mqtt_devices(host: str, port: int) -> str:
    doors = "".join(
        f"""
[[devices]]
sensor = "{sensor}"
zone = "{DOOR_ZONES[sensor]}"
profile = "uhppoted-door"
connection = "site-broker"
parameters = {{ device = {DEVICE_ID}, door = {line + 1} }}
"""
        for sensor, line in DOOR_LINES.items()
    )
    return f"""
[[connections]]
name = "site-broker"
transport = "mqtt"
host = "{host}"
port = {port}
protocol = "3.1.1"
{doors}
[[devices]]
sensor = "area-1"
zone = "office"
profile = "espgeiger"
connection = "site-broker"
max_age_s = 10
parameters = {{ root = "{ROOT}" }}
"""
