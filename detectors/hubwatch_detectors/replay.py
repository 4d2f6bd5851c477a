"""Judges a recording: births and frames as NDJSON, in the order they were received."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from hubwatch_core.errors import Permanent, Poison
from hubwatch_core.wire import MAX_FRAME_BYTES, Birth, Clear, Detection, Frame, decode_birth, decode_frame
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.engine import Engine

_BIRTH_KEY = b'"inventory"'
STDIN = Path("-")
MAX_LINE_BYTES = 4 * MAX_FRAME_BYTES
"""Far beyond what any message may have; a file without line breaks is no recording and must not fill the memory."""


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
    """Give a message of a recording to the engine and return what it finds; it counts as received when it was sent."""
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
                    self.waiting[finding.id] = _joined(self.waiting[finding.id], finding)
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


def _joined(detection: Detection, end: Clear) -> Detection:
    """Return a detection with its end and the highest score up to it."""
    score = max(detection.score, end.score or detection.score)
    return msgspec.structs.replace(detection, end=end.end, score=score)


def moved(line: bytes, by_us: int) -> bytes:
    """Return a line of a recording with all its times later by `by_us`; one that is no message as it is."""
    try:
        message = msgspec.json.decode(line)
        message["sent"] += by_us
        for each in message.get("series", ()):
            each["t0"] += by_us
        for each in message.get("events", ()):
            for name in {"t", "device"} & each.keys():
                each[name] += by_us
    except (msgspec.DecodeError, TypeError, KeyError, AttributeError):
        return line
    return msgspec.json.encode(message)


def _moved_back(detection: Detection, by_us: int) -> Detection:
    return msgspec.structs.replace(
        detection,
        start=detection.start - by_us,
        end=None if detection.end is None else detection.end - by_us,
        detected=detection.detected - by_us,
    )


MOST_TOLD = 10
"""Lines that could not be used of which the reason is kept."""


@dataclass
class Replay:
    """A replay under way; `poison` are the first lines that could not be used, as (line number, reason).

    A recording of a time before 2010 is judged `shift_us` later; its detections are given in its own time.
    """

    engine: Engine
    shift_us: int = 0
    poison: list[tuple[int, str]] = field(default_factory=list)
    unusable: int = 0
    lines: int = 0

    def run(self, lines: Iterable[bytes]) -> Iterator[Detection]:
        """Judge lines and yield the detections with their ends; those that never ended come last."""
        ended = Ended()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            self.lines += 1
            try:
                message = decode_line(moved(line, self.shift_us) if self.shift_us else line)
            except Poison as error:
                self._cannot_use(number, error.reason)
                continue
            yield from self._told(ended.add(judge(self.engine, message)))
        yield from self._told(ended.rest())

    def _told(self, found: Iterable[Detection]) -> Iterable[Detection]:
        return (_moved_back(each, self.shift_us) for each in found) if self.shift_us else found

    def _cannot_use(self, number: int, reason: str) -> None:
        self.unusable += 1
        if len(self.poison) < MOST_TOLD:
            self.poison.append((number, reason))


@contextmanager
def lines_of(file: Path) -> Iterator[Iterable[bytes]]:
    """Return the lines of a file, or of standard input for `-`; raises Permanent when it cannot be read as lines."""
    if file == STDIN:
        yield _lines(sys.stdin.buffer, "standard input")
        return
    try:
        opened = file.open("rb")
    except OSError as error:
        raise Permanent(f"{file} cannot be opened: {error.strerror}") from None
    with opened:
        yield _lines(opened, str(file))


def _lines(source: BinaryIO, name: str) -> Iterator[bytes]:
    while line := source.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            raise Permanent(f"{name} is no recording: a line of it is longer than {MAX_LINE_BYTES} bytes")
        yield line
