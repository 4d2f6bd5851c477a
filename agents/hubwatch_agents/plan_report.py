"""What a configuration asks of each line, in words."""

from __future__ import annotations

from collections.abc import Iterator

from hubwatch_agents import privacy
from hubwatch_agents.checked import Checked
from hubwatch_agents.connections import MqttWay, SparkplugWay
from hubwatch_agents.modbus import line
from hubwatch_agents.modbus.jobs import jobs_of


def lines(checked: Checked) -> Iterator[str]:
    """Give one line for each Modbus connection: devices, requests, and how busy they keep it."""
    for way in checked.settings.connections:
        behind = [device for device in checked.devices if device.connection.name == way.name]
        if isinstance(way, MqttWay | SparkplugWay):
            yield f"{way.name}: {way.transport}, {len(behind)} devices"
            continue
        jobs = jobs_of(way, behind, privacy.raw)
        busy = line.load(way, jobs)
        requests = sum(len(job.plan) for job in jobs)
        units = len({job.unit.number for job in jobs})
        yield (
            f"{way.name}: {way.transport}, {units} units, {requests} requests a round, "
            f"{busy.requests_per_s:.1f} requests/s, busy {busy.share:.0%}"
        )
