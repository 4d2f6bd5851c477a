"""The readers of one door: which of them keep refusing more than they should (`denials.py`)."""

from __future__ import annotations

import math

from hubwatch_core.wire import Clear, Event
from hubwatch_core.words import Priority
from hubwatch_detectors.access.denials import Denials, Rates
from hubwatch_detectors.access.door_config import AccessConfig
from hubwatch_detectors.contract import Finding, Origin

MOST_READERS = 16
"""Readers of one door that are told apart; more are judged as one."""
MAX_READER = 100
MAX_SUBJECT = 120
LARGEST_EXPONENT = 200.0


class ReaderRules:
    """Judges denials, one reader at a time."""

    def __init__(self, config: AccessConfig, origin: Origin) -> None:
        self._config, self._origin = config, origin
        self._rates = Rates(config.benign_per_h, config.attack_per_h)

    def denied(self, event: Event, readers: dict[str, Denials]) -> list[Finding]:
        """Count a denial."""
        reader = reader_of(event)
        if reader not in readers and len(readers) >= MOST_READERS:
            reader = "other"
        denials = readers.setdefault(reader, Denials())
        subject = None if event.subject is None else event.subject[:MAX_SUBJECT]
        if not denials.add(event.t, subject, self._rates) or denials.alarm is not None:
            return []
        threshold = self._threshold(denials)
        return [self._attack(denials, reader, threshold)] if denials.value >= threshold else []

    def ended(self, readers: dict[str, Denials], now: int) -> list[Finding]:
        """End attacks of which nothing was seen for long."""
        found: list[Finding] = []
        for denials in readers.values():
            if denials.alarm is not None:
                over = denials.last + denials.quiet_us(self._config.burst_clear_s)
                if now > over:
                    found.append(Clear(denials.alarm, denials.last, over, score=_nats(denials.peak)))
                    denials.end()
        return found

    def _attack(self, denials: Denials, reader: str, threshold: float) -> Finding:
        usual = denials.per_hour(self._rates)
        seconds = (denials.last - denials.first) / 1e6
        within = f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} min"
        detection = self._origin.detection(
            "access.brute_force",
            subject=f"reader:{reader}" if reader else None,
            start=denials.first,
            detected=denials.last,
            score=_nats(denials.value),
            priority=Priority.HIGH,
            why=f"{denials.count} denials within {within} at one reader, which has {usual:.2g} an hour",
            evidence={
                "denials": denials.count,
                "subjects": denials.subjects,
                "usual_per_hour": round(usual, 4),
                "threshold": _nats(threshold),
                "by_attack_per_hour": denials.by_attack(self._rates),
            },
        )
        denials.alarm = detection.id
        return detection

    def _threshold(self, denials: Denials) -> float:
        if self._config.burst_score is not None:
            return math.exp(min(self._config.burst_score, LARGEST_EXPONENT))
        return denials.threshold(self._rates, self._config.false_alarm_days)


def reader_of(event: Event) -> str:
    """Return the reader that an event names; empty where it names none."""
    return str(event.attrs.get("reader", ""))[:MAX_READER]


def _nats(statistic: float) -> float:
    return round(math.log(max(statistic, 1e-9)), 3)
