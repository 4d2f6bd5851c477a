"""What a configuration asks of each connection, and what it does not say and should, in words."""

from __future__ import annotations

from collections.abc import Iterator

from hubwatch_agents.devices import Configuration
from hubwatch_agents.drivers.registry import module_of
from hubwatch_core.errors import Problem


def lines(checked: Configuration) -> Iterator[str]:
    """Return what each connection has to carry: one line, and one for each thing to note."""
    for connection in checked.settings.connections:
        behind = [device for device in checked.devices if device.connection.name == connection.name]
        yield from module_of(connection).summary(connection, behind)


def warnings(checked: Configuration, where: str) -> list[Problem]:
    """Return what works and is seldom meant: the file `where`, the key to add and why, in the order of the file."""
    return [
        Problem(where, f"devices[{index}].{key}", f"{device.sensor}: {text}")
        for index, device in enumerate(checked.devices)
        for key, text in module_of(device.connection).device_warnings(device)
    ]


def counted(found: list[Problem]) -> str:
    """Return how many there are, in words."""
    return f"{len(found)} warning{'s' if len(found) != 1 else ''}"
