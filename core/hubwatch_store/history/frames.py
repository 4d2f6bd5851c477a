"""The history of a hub as DataFrames.

A channel is asked for by its name; where what it means changed on the way (another unit, another device), the columns
`unit` and `version` say so for every reading.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

import pandas as pd
from psycopg import Connection

from hubwatch_core.errors import BadCall
from hubwatch_store.database import DatabaseSection, connect_sync, queries, translated
from hubwatch_store.history import tables
from hubwatch_store.history.occupancies import occupancies_of

MAX_ROWS = 20_000_000
"""Of one answer, about 2 GB of memory."""
PIECE = 50_000
QUALITIES = tables.QUALITIES


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds: the query that gives it, and its columns."""

    query: str
    columns: tuple[str, ...]


CONTENTS: Mapping[str, Content] = {
    "readings": Content("all_readings", tables.ALL_READINGS),
    "events": Content("events", tables.EVENTS),
    "detections": Content("detections", tables.DETECTIONS),
}


class History:
    """Reads over one connection; use it in a `with` statement, or open and close it."""

    def __init__(self, settings: DatabaseSection, max_rows: int = MAX_ROWS) -> None:
        self._settings, self._max_rows = settings, max_rows
        self._connection: Connection[tuple[object, ...]] | None = None

    def open(self) -> History:
        """Connect; raises Transient when the database is away."""
        self._connection = connect_sync(self._settings, "hubwatch history")
        return self

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> History:
        """Connect, as `open`."""
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def readings(self, hub: str, sensor: str, channel: str, start: datetime, end: datetime) -> pd.DataFrame:
        """Return the readings of a channel in [start, end), by time.

        Columns: value (NaN where there is none), quality (good, uncertain, bad), reason, device_time, unit, version.
        """
        wanted = {"hub": hub, "sensor": sensor, "channel": channel, **_span(start, end)}
        return self._whole("readings", tables.READINGS, wanted).set_index("time")

    def events(
        self, hub: str, start: datetime, end: datetime, *, sensors: Sequence[str] = (), types: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Return events in [start, end), by time. Columns: sensor, type, subject, attrs, device_time, late."""
        found = self._whole("events", tables.EVENTS, {"hub": hub, **_sensors(sensors), **_span(start, end)})
        found["attrs"] = found["attrs"].map(json.loads)
        return _of_types(found, types).set_index("time")

    def detections(
        self, hub: str, start: datetime, end: datetime, *, sensors: Sequence[str] = (), types: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Return detections that began in [start, end), by their begin; `end` is NaT while one lasts."""
        found = self._whole("detections", tables.DETECTIONS, {"hub": hub, **_sensors(sensors), **_span(start, end)})
        found["evidence"] = found["evidence"].map(json.loads)
        return _of_types(found, types).set_index("start")

    def occupancies(self, hub: str, sensor: str, start: datetime, end: datetime) -> pd.DataFrame:
        """Return the passages through a portal that began in [start, end), with their highest counts a sample."""
        counters = self._rows("counters", {"hub": hub, "sensor": sensor, "heads": ["gamma", "neutron"]})
        counts = {str(name): self.readings(hub, sensor, str(name), start, end) for (name,) in counters}
        return occupancies_of(self.readings(hub, sensor, "occupied", start, end), counts)

    def hubs(self) -> list[str]:
        """Return the hubs there are."""
        return [str(name) for (name,) in self._rows("hubs", {})]

    def channels(self, hub: str) -> pd.DataFrame:
        """Return what there is to read of a hub: a row for each meaning of each channel."""
        return tables.table_of(self._rows("channels", {"hub": hub}), tables.CHANNELS)

    def inventory(self, hub: str) -> list[tuple[Any, ...]]:
        """Return the sensors of a hub as agents list them now, a row for each channel."""
        return self._rows("inventory", {"hub": hub})

    def pieces(self, query: str, columns: Sequence[str], wanted: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the answer to a query of history.sql in pieces of bounded size."""
        for rows in self._fetched(query, wanted):
            yield tables.table_of(rows, columns)

    def _whole(self, query: str, columns: Sequence[str], wanted: Mapping[str, Any]) -> pd.DataFrame:
        pieces, count = [tables.table_of([], columns)], 0
        for piece in self.pieces(query, columns, wanted):
            count += len(piece)
            if count > self._max_rows:
                raise BadCall(f"more than {self._max_rows} rows between {wanted['start']} and {wanted['end']}; "
                              "ask for a shorter time, or use `hubwatch export`")  # fmt: skip
            pieces.append(piece)
        return pd.concat(pieces[1:], ignore_index=True) if len(pieces) > 1 else pieces[0]

    def _rows(self, query: str, wanted: Mapping[str, Any]) -> list[tuple[object, ...]]:
        with translated():
            return self._connected().execute(queries("history")[query], wanted).fetchall()

    def _fetched(self, query: str, wanted: Mapping[str, Any]) -> Iterator[list[tuple[object, ...]]]:
        """Yield rows as a cursor of the server gives them, all of one moment."""
        with _snapshot(self._connected()) as connection, connection.cursor("hubwatch_history") as cursor:
            with translated():
                cursor.execute(queries("history")[query], wanted)
            while True:
                with translated():
                    rows = cursor.fetchmany(PIECE)
                if not rows:
                    return
                yield rows

    def _connected(self) -> Connection[tuple[object, ...]]:
        if self._connection is None:
            raise BadCall("the history is not open: use it in a `with` statement, or call open()")
        return self._connection


@contextmanager
def _snapshot(connection: Connection[tuple[object, ...]]) -> Iterator[Connection[tuple[object, ...]]]:
    with translated(), connection.transaction():
        yield connection


def _span(start: datetime, end: datetime) -> dict[str, datetime]:
    for name, moment in (("start", start), ("end", end)):
        if moment.tzinfo is None:
            raise BadCall(f"{name} has no time zone: say datetime(…, tzinfo=UTC)")
    if end <= start:
        raise BadCall(f"end ({end}) is not after start ({start})")
    return {"start": start, "end": end}


def _sensors(names: Sequence[str]) -> dict[str, list[str] | None]:
    return {"sensors": list(names) or None}


def _of_types(found: pd.DataFrame, types: Sequence[str]) -> pd.DataFrame:
    return found[found["type"].isin(list(types))] if types else found
