"""Files of a hub's history, one for each day; what was written is not written again.

A day's file appears under its name only when it is whole. So an export that was cut off goes on where it was, when it
is asked for again; a day that was not over then is written anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_store.history import tables
from hubwatch_store.history.frames import CONTENTS, History

if TYPE_CHECKING:
    import pandas as pd

ORDERS = "export.json"
"""Says what the files in a folder are of, so that no second export mixes others among them."""


class ExportFormat(StrEnum):
    """How a file is written."""

    PARQUET = "parquet"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be written, and where."""

    hub: str
    folder: Path
    format: ExportFormat = ExportFormat.PARQUET
    sensors: tuple[str, ...] = ()
    contents: tuple[str, ...] = tuple(CONTENTS)

    def run(self, history: History, days: Sequence[date], now: datetime) -> dict[str, int]:
        """Write every file that is not there yet; return how many rows by content.

        Raises BadCall when the folder holds another export, Permanent when it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = self._orders()
            rows = dict.fromkeys(self.contents, 0)
            for day in days:
                for content in self.contents:
                    file = self.folder / content / f"{day.isoformat()}.{self.format}"
                    if file.exists() and str(file.relative_to(self.folder)) not in unfinished:
                        continue
                    self._note(unfinished, file, is_over=False)  # first, so that a crash leaves no half day for a whole
                    rows[content] += self._write(history, content, day, file)
                    self._note(unfinished, file, is_over=_end_of(day) <= now)
        except OSError as error:
            raise Permanent(f"{error.filename or self.folder} cannot be written: {error.strerror}") from None
        return rows

    def _orders(self) -> set[str]:
        """Return the files of days that were not over when they were written."""
        place = self.folder / ORDERS
        if not place.exists():
            if any(self.folder.iterdir()):
                raise BadCall(f"{self.folder} is not empty and holds no export: name another folder")
            self._save(set())
            return set()
        try:
            known = json.loads(place.read_text(encoding="utf-8"))
            unfinished = set(known.pop("unfinished"))
        except (ValueError, KeyError, AttributeError, TypeError):
            raise BadCall(f"{place} cannot be read: name another folder") from None
        if known != self._said():
            raise BadCall(f"{self.folder} holds an export of something else ({ORDERS} says of what); name another one")
        return unfinished

    def _said(self) -> dict[str, Any]:
        said = asdict(self) | {"sensors": sorted(self.sensors), "contents": sorted(self.contents)}
        del said["folder"]
        return said

    def _note(self, unfinished: set[str], file: Path, *, is_over: bool) -> None:
        name = str(file.relative_to(self.folder))
        if (name in unfinished) == is_over:
            unfinished.symmetric_difference_update({name})
            self._save(unfinished)

    def _save(self, unfinished: set[str]) -> None:
        text = json.dumps(self._said() | {"unfinished": sorted(unfinished)}, indent=2)
        _put(self.folder / ORDERS, lambda half: half.write_text(text + "\n", encoding="utf-8"))

    def _write(self, history: History, content: str, day: date, file: Path) -> int:
        wanted = {
            "hub": self.hub,
            "sensors": list(self.sensors) or None,
            "start": datetime.combine(day, time(), UTC),
            "end": _end_of(day),
        }
        what = CONTENTS[content]
        pieces = history.pieces(what.query, what.columns, wanted)
        file.parent.mkdir(exist_ok=True)
        write = _write_parquet if self.format is ExportFormat.PARQUET else _write_csv
        return _put(file, lambda half: write(half, tables.table_of([], what.columns), pieces))


def days_between(start: datetime, end: datetime) -> list[date]:
    """Return the days (UTC) of [start, end)."""
    first, last = start.astimezone(UTC).date(), (end.astimezone(UTC) - timedelta(microseconds=1)).date()
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


def _put(file: Path, write: Callable[[Path], int]) -> int:
    """Write a file under another name, and give it its own when it is on the disk; return what `write` does."""
    half = file.with_name(file.name + ".part")
    try:
        written = write(half)
        with half.open("rb") as whole:
            os.fsync(whole.fileno())
        half.replace(file)
    finally:
        half.unlink(missing_ok=True)
    return written


def _write_csv(half: Path, empty: pd.DataFrame, pieces: Iterator[pd.DataFrame]) -> int:
    empty.to_csv(half, index=False)
    rows = 0
    for piece in pieces:
        piece.to_csv(half, mode="a", index=False, header=False)
        rows += len(piece)
    return rows


def _write_parquet(half: Path, empty: pd.DataFrame, pieces: Iterator[pd.DataFrame]) -> int:
    import pyarrow.parquet as pq

    schema = _schema(list(empty.columns))
    rows = 0
    with pq.ParquetWriter(half, schema, compression="zstd") as writer:
        for piece in pieces:
            writer.write_table(_arrow(piece, schema))
            rows += len(piece)
    return rows


def _schema(columns: Sequence[str]) -> Any:
    import pyarrow as pa

    moment, number, text = pa.timestamp("us", tz="UTC"), pa.float64(), pa.string()
    others = {"version": pa.int64(), "priority": pa.int64(), "late": pa.bool_()}
    kinds = dict.fromkeys(tables.TIMES, moment) | dict.fromkeys(tables.NUMBERS, number) | others
    return pa.schema([pa.field(name, kinds.get(name, text)) for name in columns])


def _arrow(piece: pd.DataFrame, schema: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_pandas(piece, schema=schema, preserve_index=False)
