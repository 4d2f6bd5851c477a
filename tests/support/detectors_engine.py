"""An engine on the bench: frames are made and sent at stated seconds."""

from __future__ import annotations

from typing import Any

from hubwatch_core.wire import Birth, Detection, Event, Frame, Sensor, Series
from hubwatch_detectors.contract import Finding, Site
from hubwatch_detectors.engine import Engine, Saved
from hubwatch_detectors.settings import DetectorsSettings
from support.detectors_hub import AGENT, EPOCH, HUB, INVENTORY, at


class EngineBench:
    """An engine, and the agents that talk to it; times are seconds after the beginning."""

    def __init__(self, site: Site | None = None, /, **settings: Any) -> None:
        self.settings, self.site = DetectorsSettings(**settings), site
        self.engine = Engine(self.settings.rules(site))
        self.found: list[Finding] = []
        self._seq: dict[str, int] = {}

    def birth(self, t: float = 0.0, inventory: tuple[Sensor, ...] = INVENTORY, agent: str = AGENT) -> None:
        """Send an inventory."""
        message = Birth(1, HUB, agent, EPOCH, at(t), "test", "sha256:0", list(inventory))
        self.found += self.engine.birth(message, at(t))

    def send(
        self,
        t: float,
        *items: Series | Event,
        agent: str = AGENT,
        seq: int | None = None,
        late: bool = False,
        epoch: str = EPOCH,
        received: float | None = None,
    ) -> list[Finding]:
        """Send a frame at `t` with series and events, under the next sequence number unless `seq` is given."""
        if seq is None:
            seq = self._seq.get(agent, 0) + 1
        self._seq[agent] = max(seq, self._seq.get(agent, 0))
        series = [each for each in items if isinstance(each, Series)]
        events = [each for each in items if isinstance(each, Event)]
        frame = Frame(1, HUB, agent, epoch, seq, at(t), late, series, events)
        found = self.engine.frame(frame, at(t if received is None else received))
        self.found += found
        return found

    def skip(self, frames: int, agent: str = AGENT) -> int:
        """Leave out sequence numbers, as an agent does whose frames wait; gives the first of them."""
        first = self._seq.get(agent, 0) + 1
        self._seq[agent] = first + frames - 1
        return first

    def tick(self, t: float) -> list[Finding]:
        """Let our own time pass."""
        found = self.engine.tick(at(t))
        self.found += found
        return found

    def restarted(self) -> EngineBench:
        """Return another bench whose engine has taken up all that this one would have saved."""
        saved = self.saved()
        other = EngineBench()
        other.settings = self.settings
        other.engine, other.site = Engine(self.settings.rules(self.site)), self.site
        assert other.engine.restore(saved) == len(saved)
        other._seq = dict(self._seq)
        return other

    def saved(self) -> list[Saved]:
        """Return the states that have changed, as before a restart."""
        self.found += self.engine.flush(HUB)
        saved, gone = self.engine.changes(HUB)
        assert not gone
        return saved

    @property
    def types(self) -> list[str]:
        """Types of the detections so far, and `clear` for their ends, in order."""
        return types(self.found)


def types(found: list[Finding]) -> list[str]:
    """Return the types of detections, and `clear` for their ends."""
    return [each.type if isinstance(each, Detection) else "clear" for each in found]


def series(sensor: str, channel: str, t: float, *values: float | None, period_s: float = 0.2) -> Series:
    """Return a series that begins at `t`; None is a bad reading."""
    bad = [(2, "no answer") if value is None else 0 for value in values]
    steps = [round(i * period_s * 1e6) for i in range(len(values))]
    return Series(sensor, channel, at(t), steps, list(values), bad if None in values else [])  # type: ignore[arg-type]


def event(sensor: str, t: float, kind: str, subject: str | None = None, **attrs: Any) -> Event:
    """Return an event."""
    return Event(sensor, at(t), kind, subject, attrs)
