"""Reads a list of cardholders (CSV): every mistake at once, each with line and column.

No badge number ever stands in a message: it is personal data, and a log is no place for it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple, TypeVar

from hubwatch_core.clock import to_us
from hubwatch_core.errors import ConfigError, Problem
from hubwatch_core.plain_text import one_line
from hubwatch_site.cardholder import Cardholder
from hubwatch_site.file import text_of

COLUMNS = ("badge", "home zone", "shift", "on call", "clearance", "valid from", "valid to")
NAME = "name"
MAX_BYTES = 64 << 20
MAX_TEXT = 200
MAX_CLEARANCE = 100
MAX_TOLD = 100
"""Mistakes that are told; a wrong column makes one on every line."""
YES, NO = frozenset({"yes", "true", "1", "y"}), frozenset({"no", "false", "0", "n", ""})
DAY_LENGTH = 10
"""Of a day as in 2026-03-01; what is longer has a time of day."""

T = TypeVar("T")


class ListedPerson(NamedTuple):
    """A cardholder, and the name where names are wanted."""

    person: Cardholder
    name: str | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a list is checked against: the hub's zones and shifts, and the time zone of its days."""

    zones: Collection[str]
    shifts: Collection[str]
    time_zone: tzinfo = UTC


def read_list(
    file: Path, around: Surroundings, pseudonym: Callable[[str, str], str], *, with_names: bool
) -> list[ListedPerson]:
    """Return the cardholders of a file, by the pseudonyms of their badges. Raises ConfigError with every mistake."""
    problems: list[Problem] = []
    found: list[ListedPerson] = []
    lines: dict[str, int] = {}
    for line, row in _rows(file, with_names):
        cells = _Cells(f"{file}:{line}", row, problems)
        badge = cells.take("badge", _needed) or ""
        name = (cells.take(NAME, _needed) if row[NAME] else None) if with_names else None
        found.append(ListedPerson(_person(cells, around, pseudonym("badge:", badge)), name))
        if badge and lines.setdefault(badge, line) != line:
            cells.wrong("badge", f"is there already, on line {lines[badge]}")
    if not found:
        problems.append(Problem(str(file), "", "has no cardholders"))
    if problems:
        raise ConfigError(_some(file, problems))
    return found


def _rows(file: Path, with_names: bool) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the lines with their numbers, as values by column. Raises ConfigError for a file that is no such list."""
    text = text_of(file, MAX_BYTES)
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",")
    try:
        columns = [one_line(each).lower().replace("_", " ") for each in next(reader, [])]
        _check_columns(file, columns, with_names)
        for cells in reader:
            if any(each.strip() for each in cells):
                if len(cells) != len(columns):
                    what = f"has {len(cells)} values, the first line names {len(columns)}"
                    raise ConfigError([Problem(f"{file}:{reader.line_num}", "", what)])
                yield reader.line_num, {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
    except csv.Error as error:
        raise ConfigError([Problem(f"{file}:{reader.line_num}", "", f"is no CSV: {error}")]) from None


def _check_columns(file: Path, columns: list[str], with_names: bool) -> None:
    wanted = (*COLUMNS, NAME) if with_names else COLUMNS
    problems = [f"column {name!r} is missing" for name in wanted if name not in columns]
    problems += [f"column {name[:40]!r} is unknown" for name in columns if name not in (*COLUMNS, NAME)]
    problems += [f"column {name!r} is there twice" for name in sorted({c for c in wanted if columns.count(c) > 1})]
    if problems:
        raise ConfigError([Problem(f"{file}:1", "", each) for each in problems])


class _Mistake(Exception):
    """What is wrong with a value."""


@dataclass(frozen=True, slots=True)
class _Cells:
    """The values of one line, and where their mistakes go."""

    where: str
    row: Mapping[str, str]
    problems: list[Problem]

    def take(self, column: str, parse: Callable[[str], T]) -> T | None:
        """Return a value, None with its mistake noted."""
        try:
            return parse(self.row[column])
        except _Mistake as error:
            self.wrong(column, str(error))
            return None

    def wrong(self, column: str, what: str) -> None:
        """Note a mistake."""
        self.problems.append(Problem(self.where, column, what))


def _person(cells: _Cells, around: Surroundings, subject: str) -> Cardholder:
    def moment(text: str) -> int | None:
        return _moment(text, around.time_zone, ends=False)

    def end(text: str) -> int | None:
        return _moment(text, around.time_zone, ends=True)

    valid_from, valid_to = cells.take("valid from", moment), cells.take("valid to", end)
    if valid_from is not None and valid_to is not None and valid_to <= valid_from:
        cells.wrong("valid to", "must be after valid from")
    return Cardholder(
        subject=subject,
        home_zone=cells.take("home zone", _one_of(around.zones, "there is no zone {} at this hub")),
        shift=cells.take("shift", _one_of(around.shifts, "there is no shift {} in the site of this hub")),
        on_call=cells.take("on call", _yes_or_no) or False,
        clearance=cells.take("clearance", _clearance) or 0,
        valid_from=valid_from,
        valid_to=valid_to,
    )


def _needed(text: str) -> str:
    if not text:
        raise _Mistake("is required")
    if len(text) > MAX_TEXT or not text.isprintable():
        raise _Mistake(f"must be at most {MAX_TEXT} printable characters")
    return text


def _one_of(known: Collection[str], otherwise: str) -> Callable[[str], str | None]:
    def parse(text: str) -> str | None:
        if text and text not in known:
            raise _Mistake(otherwise.format(one_line(text[:64])))
        return text or None

    return parse


def _yes_or_no(text: str) -> bool:
    if text.lower() not in YES | NO:
        raise _Mistake("must be yes or no")
    return text.lower() in YES


def _clearance(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 3 or int(text) > MAX_CLEARANCE:
        raise _Mistake(f"must be a whole number from 0 to {MAX_CLEARANCE}")
    return int(text)


def _moment(text: str, zone: tzinfo, *, ends: bool) -> int | None:
    """Return a day or a moment in µs; the last day of a badge is valid to its end."""
    if not text:
        return None
    try:
        if len(text) <= DAY_LENGTH:
            day = date.fromisoformat(text) + timedelta(days=int(ends))
            return to_us(datetime.combine(day, time.min, zone))
        moment = datetime.fromisoformat(text)
        return to_us(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        raise _Mistake("must be a day as in 2026-03-01, or a moment as in 2026-03-01T06:00") from None


def _some(file: Path, problems: list[Problem]) -> list[Problem]:
    more = len(problems) - MAX_TOLD
    return problems if more <= 0 else [*problems[:MAX_TOLD], Problem(str(file), "", f"and {more} more mistakes")]
