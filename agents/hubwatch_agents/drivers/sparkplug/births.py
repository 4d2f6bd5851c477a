"""What the births of an edge node teach: names, aliases and datatypes of its metrics. Pure.

Ref: Sparkplug 3.0.0, 6.4.3 and 6.4.6: an alias is unique over a node and all its devices; nodes that count anew for
each device, or give one alias twice, are told of and their values doubted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hubwatch_agents.drivers.sparkplug.payload import Metric

SEPARATOR = "/"
"""Between the name of a Template and that of its member."""


class Named(NamedTuple):
    """A metric with its whole name and datatype, and why it is not to be believed."""

    name: str
    metric: Metric
    datatype: int
    doubt: str | None


class Ambiguous(NamedTuple):
    """An alias that a birth gives to several metrics: which of them is meant nobody knows."""

    alias: int
    names: frozenset[str]


class Unknown(NamedTuple):
    """A metric that stands in no birth."""

    what: str


class NodeBirth:
    """What one birth certificate has said."""

    def __init__(self, metrics: Iterable[Metric], *, retained: bool = False) -> None:
        self.retained = retained
        self.types: dict[str, int] = {}
        self.names: dict[int, set[str]] = {}
        bare = set()
        for metric in metrics:
            for name, each in walk(metric, metric.name):
                self.types[name] = each.datatype
            if metric.alias is not None:
                self.names.setdefault(metric.alias, set()).add(metric.name)
            else:
                bare.add(metric.name)
        # Protobuf leaves out what is zero, and only one can have it.
        self._zero = bare if 0 not in self.names and len(bare) == 1 else set()

    def named(self, alias: int) -> set[str]:
        """Return the metrics that an alias stands for."""
        return self.names.get(alias) or (self._zero if alias == 0 else set())

    @property
    def ambiguous(self) -> list[int]:
        """Aliases that several metrics have."""
        return sorted(alias for alias, names in self.names.items() if len(names) > 1)


class Births:
    """The births of a node (None) and of those of its devices that are read."""

    def __init__(self) -> None:
        self._births: dict[str | None, NodeBirth] = {}
        self._owners: dict[int, set[str | None]] = {}
        """Which devices use an alias."""

    def clear(self) -> None:
        """Forget all: the node has been born anew, or is gone."""
        self._births.clear()
        self._owners.clear()

    def learn(self, device: str | None, birth: NodeBirth) -> list[int]:
        """Take a birth in place of an earlier one. Return the aliases that other devices use, too."""
        before = self._births.get(device)
        for alias in before.names if before is not None else ():
            self._owners.get(alias, set()).discard(device)
        self._births[device] = birth
        for alias in birth.names:
            self._owners.setdefault(alias, set()).add(device)
        return sorted(alias for alias in birth.names if len(self._owners[alias]) > 1)

    def knows(self, device: str | None) -> bool:
        """Return whether a device has had a birth."""
        return device in self._births

    def is_retained(self, device: str | None) -> bool:
        """Return whether all that is known of a device was kept by the broker."""
        return device in self._births and self._births[device].retained

    def named(self, device: str | None, metric: Metric) -> Iterator[Named | Ambiguous | Unknown]:
        """Yield a metric of a message with its name, and the members of a Template with theirs."""
        birth = self._births.get(device)
        if birth is None:
            yield Unknown(metric.name or f"alias {metric.alias or 0}")
            return
        name, doubt = metric.name, None
        if not name:
            alias = metric.alias or 0
            names = birth.named(alias)
            if len(names) != 1:
                yield Ambiguous(alias, frozenset(names)) if names else Unknown(f"alias {alias}")
                return
            (name,) = names
            doubt = self._doubt(device, alias, birth)
        for path, each in walk(metric, name):
            datatype = birth.types.get(path, each.datatype if path != name else None)
            yield Unknown(path) if datatype is None else Named(path, each, datatype, doubt)

    def _doubt(self, device: str | None, alias: int, birth: NodeBirth) -> str | None:
        others = self._owners.get(alias, set()) - {device}
        if others:
            return f"alias {alias} is also one of {_title(min(others, key=str))}, against the standard"
        return f"alias {alias} is known only from a retained birth" if birth.retained else None


def walk(metric: Metric, name: str) -> Iterator[tuple[str, Metric]]:
    """Yield a metric and, of a Template, its members, each with its whole name."""
    yield name, metric
    for member in metric.members:
        if member.name:
            yield from walk(_inherited(member, metric), f"{name}{SEPARATOR}{member.name}")


def _inherited(member: Metric, template: Metric) -> Metric:
    """Give a member what only its Template says: its time, its quality, that it had been stored."""
    if member.timestamp_ms is None:
        member.timestamp_ms = template.timestamp_ms
    if member.quality is None:
        member.quality = template.quality
    member.historical |= template.historical
    member.null |= template.null
    return member


def _title(device: str | None) -> str:
    return "the node itself" if device is None else f"device {device}"
