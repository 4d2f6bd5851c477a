"""Deletes what is past its rule: a whole partition where nothing in it is to be kept, else rows, so many at once.

Every step is a transaction that excludes changes of holds, looks at the holds as they are then, and deletes only what
lies outside them. What lies around detections is kept in the same way (see migration 0020, view kept_ranges).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection, errors, sql

from hubwatch_store.database.sql_files import queries
from hubwatch_store.keeping import legal_hold
from hubwatch_store.keeping.retention_rules import UNKNOWN
from hubwatch_store.series import (
    Bounds,
    Partition,
    Span,
    drop,
    estimated_rows,
    maintained,
    partitions_of,
    rewrite,
    sparse,
    stop_writers,
    without,
)

STEP_ROWS = 50_000
"""A step ends at the channel with which it has deleted so many rows: well under a second, and short locks."""

LOCK_WAIT = "2s"
"""How long collectors may have to queue behind a step that waits for a lock; then the step is left for another run."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One table that the rules are about; `width` is what one of its rows stands for."""

    name: str
    table: str
    time: str
    key: str
    days: str
    width: timedelta = timedelta(0)

    def query(self, name: str) -> sql.Composed:
        """Return a query of `retention.sql` about this table."""
        return sql.SQL(queries("retention")[name]).format(
            table=sql.Identifier(self.table),
            time=sql.Identifier(self.time),
            key=sql.Identifier(self.key),
            days=sql.Identifier(self.days),
        )


LAYERS = (
    Layer("raw", "reading", "time", "channel_id", "raw_days"),
    Layer("events", "event", "time", "sensor_id", "event_days"),
    Layer("1m", "reading_1m", "bucket", "channel_id", "minute_days", timedelta(minutes=1)),
    Layer("1h", "reading_1h", "bucket", "channel_id", "hour_days", timedelta(hours=1)),
)


@dataclass(frozen=True, slots=True)
class Source:
    """A channel (or a sensor, of events) that has rows somewhere."""

    key: int
    sensor: int
    kind: str


@dataclass(slots=True)
class Deleted:
    """What went, or would go: rows by (layer, kind), partitions by layer, and what has to wait for another run."""

    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    partitions: Counter[str] = field(default_factory=Counter)
    rewritten: int = 0
    postponed: list[str] = field(default_factory=list)
    complete: bool = True


def advance_clock(connection: Connection[Any]) -> timedelta:
    """Let the clock by which things are old go on, by two days at most; return by how much it is behind."""
    row = connection.execute(queries("retention")["advance_clock"]).fetchone()
    assert row is not None, "the migration has put the one row there"
    behind: timedelta = row[0]
    return behind if behind > timedelta(minutes=1) else timedelta(0)


def apply(connection: Connection[Any], bounds: Bounds, *, dry_run: bool = False) -> Deleted:
    """Delete what is past its rule and not kept; with `dry_run` only count it. Needs an autocommit connection.

    Rows of a whole partition are counted before it goes. Ends early, `complete` false, when `bounds` are reached
    or when somebody else holds a lock for longer than `LOCK_WAIT`.
    """
    deleted = Deleted()
    for layer in LAYERS:
        _Run(connection, layer, bounds, dry_run, deleted).run()
    deleted.complete = not bounds.hit and not deleted.postponed
    return deleted


@dataclass(slots=True)
class _Run:
    connection: Connection[Any]
    layer: Layer
    bounds: Bounds
    dry_run: bool
    deleted: Deleted
    cutoffs: Mapping[str, datetime | None] = field(default_factory=dict)

    def run(self) -> None:
        self.cutoffs = self._cutoffs()
        latest = max((cutoff for cutoff in self.cutoffs.values() if cutoff is not None), default=None)
        if latest is None:
            return
        for partition in partitions_of(self.connection, self.layer.table):
            if partition.first >= latest or self.bounds.reached():
                return
            try:
                self._piece(partition)
            except errors.LockNotAvailable:
                self.deleted.postponed.append(partition.name)

    def _cutoffs(self) -> Mapping[str, datetime | None]:
        cutoffs: dict[str, datetime | None] = dict(self.connection.execute(self.layer.query("cutoffs")).fetchall())
        # A real run makes the aggregates first, so a dry one does not wait for them.
        if self.layer.name != "raw" or self.dry_run or not maintained(self.connection):
            return cutoffs
        # Readings are needed until the aggregates are made of them.
        row = self.connection.execute(queries("retention")["complete_until"]).fetchone()
        if row is None:
            return {}
        return {kind: None if cutoff is None else min(cutoff, row[0]) for kind, cutoff in cutoffs.items()}

    def _cutoff(self, source: Source) -> datetime | None:
        return self.cutoffs.get(source.kind, self.cutoffs.get(UNKNOWN))

    def _piece(self, partition: Partition) -> None:
        if self._dropped_whole(partition):
            return
        if self.layer.width and not maintained(self.connection):
            return  # rows of continuous aggregates are TimescaleDB's own: only whole partitions of them go
        before, rows = estimated_rows(self.connection, partition), 0
        sources = self._sources(partition)
        while sources and not self.bounds.reached():
            gone, sources = self._step(partition, sources)
            rows += gone
        if self.dry_run or partition.whole_table:
            return
        # Sparse: when it was rewritten last, somebody could still see the deleted rows, or had it locked.
        if (rows and rows * 2 >= before) or sparse(self.connection, partition):
            self._rewrite(partition)

    def _sources(self, partition: Partition) -> list[Source]:
        name = "sensors_in" if self.layer.key == "sensor_id" else "channels_in"
        span = {"since": partition.first, "until": partition.beyond}
        return [Source(*row) for row in self.connection.execute(self.layer.query(name), span)]

    def _dropped_whole(self, partition: Partition) -> bool:
        """Drop the partition if all that it holds is past its rule and none of it is kept."""
        if not self._past(partition, self._sources(partition)):
            return False
        with self._excluding_holds():
            if not self.dry_run:
                stop_writers(self.connection, partition)
            # Once more: since the first look somebody may have written into it.
            sources = self._sources(partition)
            if not self._past(partition, sources) or self._kept(partition):
                return False
            for source in sources:
                self._count(source, [Span(partition.first, partition.beyond)])
            self.deleted.partitions[self.layer.name] += 1
            if not self.dry_run:
                drop(self.connection, self.layer.table, partition)
        return True

    def _past(self, partition: Partition, sources: Sequence[Source]) -> bool:
        if partition.whole_table:
            return False
        # An empty partition goes when every rule has passed it: a late reading may still be on its way into it.
        cutoffs = [self._cutoff(source) for source in sources] or list(self.cutoffs.values())
        return all(cutoff is not None and partition.beyond <= cutoff for cutoff in cutoffs)

    def _kept(self, partition: Partition) -> dict[int, list[Span]]:
        return legal_hold.kept(self.connection, Span(partition.first, partition.beyond))

    def _step(self, partition: Partition, sources: list[Source]) -> tuple[int, list[Source]]:
        """Delete rows of sources until there are enough for one transaction; return how many, and the sources left."""
        rows = 0
        with self._excluding_holds():
            kept = self._kept(partition)
            for i, source in enumerate(sources):
                cutoff = self._cutoff(source)
                if cutoff is not None and cutoff > partition.first:
                    past = Span(partition.first, min(partition.beyond, cutoff))
                    rows += self._delete(source, without(past, kept.get(source.sensor, []), self.layer.width))
                if rows >= STEP_ROWS:
                    return rows, sources[i + 1 :]
        return rows, []

    def _delete(self, source: Source, spans: Sequence[Span]) -> int:
        if self.dry_run:
            return self._count(source, spans)
        rows = 0
        for span in spans:
            values = {"key": source.key, "since": span.since, "until": span.until}
            rows += self.connection.execute(self.layer.query("delete"), values).rowcount
        self.deleted.rows[self.layer.name, source.kind] += rows
        return rows

    def _count(self, source: Source, spans: Sequence[Span]) -> int:
        rows = 0
        for span in spans:
            values = {"key": source.key, "since": span.since, "until": span.until}
            found = self.connection.execute(self.layer.query("count"), values).fetchone()
            rows += found[0] if found else 0
        self.deleted.rows[self.layer.name, source.kind] += rows
        return rows

    @contextmanager
    def _excluding_holds(self) -> Iterator[None]:
        with self.connection.transaction():
            self.connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(LOCK_WAIT))
            legal_hold.lock(self.connection)
            self.connection.execute(queries("retention")["allow_large"])
            yield

    def _rewrite(self, partition: Partition) -> None:
        self.connection.execute(sql.SQL("SET lock_timeout = {}").format(LOCK_WAIT))
        try:
            rewrite(self.connection, partition)
            self.deleted.rewritten += 1
        finally:
            self.connection.execute("RESET lock_timeout")
