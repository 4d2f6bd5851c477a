"""Judges a recording: births and frames as NDJSON, in the order they were received."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from hubwatch_core.errors import Poison
from hubwatch_core.wire import Birth, Clear, Detection, Frame, decode_birth, decode_frame
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.engine import Engine

_BIRTH_KEY = b'"inventory"'


def decode_line(line: bytes) -> Birth | Frame:
    """Decode one line of a recording: a birth is what has an inventory. Raises Poison with the reason."""
    if _BIRTH_KEY in line and _has_inventory(line):
        return decode_birth(line)
    return decode_frame(line)


def _has_inventory(line: bytes) -> bool:
    try:
        message = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise Poison(str(error)) from None
    return isinstance(message, dict) and "inventory" in message


def judge(engine: Engine, message: Birth | Frame) -> list[Finding]:
    """Give a message of a recording to the engine; it counts as received when it was sent."""
    if isinstance(message, Birth):
        return engine.birth(message, message.sent)
    return engine.frame(message, message.sent)


@dataclass
class Ended:
    """Joins detections with their ends, in the order they were detected."""

    waiting: dict[str, Detection] = field(default_factory=dict)

    def add(self, findings: Iterable[Finding]) -> Iterator[Detection]:
        """Take findings; yields the detections that have ended and have none before them that goes on."""
        for finding in findings:
            if isinstance(finding, Clear):
                if finding.id in self.waiting:
                    joined = msgspec.structs.replace(self.waiting[finding.id], end=finding.end)
                    self.waiting[finding.id] = joined
            else:
                self.waiting.setdefault(finding.id, finding)
        while self.waiting:
            first = next(iter(self.waiting.values()))
            if first.end is None:
                return
            yield self.waiting.pop(first.id)

    def rest(self) -> Iterator[Detection]:
        """Yield what is left, ended or not."""
        yield from self.waiting.values()


@dataclass
class Replay:
    """A replay under way; `poison` are the lines that could not be used, as (line number, reason)."""

    engine: Engine
    poison: list[tuple[int, str]] = field(default_factory=list)
    lines: int = 0

    def run(self, lines: Iterable[bytes]) -> Iterator[Detection]:
        """Judge lines and yield the detections with their ends; those that never ended come last."""
        ended = Ended()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            self.lines += 1
            try:
                message = decode_line(line)
            except Poison as error:
                self.poison.append((number, error.reason))
                continue
            yield from ended.add(judge(self.engine, message))
        yield from ended.rest()
