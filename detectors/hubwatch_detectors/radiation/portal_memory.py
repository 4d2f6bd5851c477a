"""What a portal remembers, and which of its channels are what."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from hubwatch_detectors.radiation.counting import Excess
from hubwatch_detectors.radiation.panels import BLOCK, Learner, Panel, excess
from hubwatch_detectors.radiation.profile import Profile
from hubwatch_detectors.radiation.verdict import window_of

RAYS = ("gamma", "neutron")
WINDOWS = frozenset({"gamma_low", "gamma_mid", "gamma_high"})


class PortalAlarm(msgspec.Struct):
    """An alarm that is open: the id of its detection, when the counts were last in excess, its highest score."""

    id: str
    over: int
    peak: float = 0.0


class Ray(msgspec.Struct):
    """Gamma or neutron: its panels, the profile of the present occupancy, and what is open."""

    panels: dict[str, Panel] = {}
    learner: Learner = msgspec.field(default_factory=Learner)
    learned_t: int = 0
    """The newest sample that was learned."""
    profile: Profile = msgspec.field(default_factory=Profile)
    looks: int = 0
    """How often a long occupancy has been judged before its end."""
    alarm: PortalAlarm | None = None
    off_since: int | None = None
    """Since when the unoccupied portal has been off its background."""
    shift: PortalAlarm | None = None
    """The open report of that."""

    def gross(self) -> list[tuple[str, Panel]]:
        """Return the panels whose counts may be added up: windows only where there is nothing else."""
        plain = [each for each in self.panels.items() if window_of(each[0]) is None]
        return plain or list(self.panels.items())

    def excess(self, least: float) -> Excess | None:
        """Add up the windows of the panels that have learned at least `least` samples; None when there is none."""
        return excess([panel for _, panel in self.gross()], least)

    def learned(self) -> Ray:
        """Return what is left when the moment is forgotten: the background."""
        panels = {
            name: Panel(means=each.means, samples=each.samples, mean=each.mean, learned=each.learned)
            for name, each in self.panels.items()
        }
        return Ray(panels, self.learner)

    def unlearn(self) -> None:
        """Drop the samples that were to be learned."""
        for panel in self.panels.values():
            panel.waiting = []

    def learn(self, samples: Iterable[tuple[str, tuple[int, float]]], ripe: int, memory: float) -> None:
        """Let samples wait, and learn those up to `ripe`."""
        panels, full = self.panels, False
        for name, sample in samples:
            panels[name].waiting.append(sample)
        for panel in panels.values():
            waiting = panel.waiting
            if waiting and waiting[0][0] <= ripe:
                self.learned_t = max(self.learned_t, panel.ripen(ripe))
                full = full or panel.count >= BLOCK
        if full:
            self.learner.learn(self.panels.values(), memory)

    def forget(self) -> None:
        """Forget the background."""
        self.off_since = None
        for panel in self.panels.values():
            panel.forget()


class PortalMemory(msgspec.Struct):
    """What one portal remembers. Times are µs; a row is the samples of one moment, (time, value) by channel."""

    gamma: Ray
    neutron: Ray
    row_t: int = 0
    row: dict[str, tuple[int, float]] = {}
    occupied: bool = False
    occupied_seen: int = 0
    since: int = 0
    settled: int = 0
    """The end of the guard time after the last occupancy."""
    speed: float = 0.0
    """What the portal measured of the present vehicle (m/s), 0 where it did not."""

    def ray(self, kind: str) -> Ray:
        """Return the ray of a kind."""
        return self.gamma if kind == "gamma" else self.neutron


@lru_cache(maxsize=256)
def ray_of(channel: str) -> str | None:
    """Return whether a channel counts gamma rays or neutrons, None when neither."""
    head = channel.partition(".")[0]
    if head in RAYS:
        return head
    return "gamma" if head in WINDOWS else None
