"""Compares what devices were promised with what is in the database; uses nothing of hubwatch.

Every number in a journal was on the agent's medium. It has to be a reading exactly once, or the agent has to have
declared the frame it was in as evicted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison came to; `promised` counts numbers, `evicted` those that were declared as thrown away."""

    promised: int
    lost: int
    doubled: int
    evicted: int
    unexplained: int
    detail: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled or left unexplained, and there was something at all."""
        return self.promised > 0 and (self.lost, self.doubled, self.unexplained) == (0, 0, 0)


def check(dsn: str, journals: Iterable[Path]) -> Verdict:
    """Compare now."""
    promises = [promise for journal in journals for promise in _promises(journal)]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE hubwatch.ledger_grace SET grace = '0 seconds'")
        stored = {
            (sensor, number): count
            for sensor, number, count in _rows(
                connection, "SELECT sensor, value::bigint, count(*) FROM hubwatch.readings GROUP BY 1, 2"
            )
        }
        gone = _rows(connection, "SELECT attrs FROM hubwatch.events WHERE type = 'agent.evicted'")
        dead = _rows(connection, "SELECT reason, sum(count)::int FROM hubwatch.dead_letters GROUP BY 1")
        unexplained = _rows(connection, "SELECT coalesce(sum(unexplained), 0)::bigint FROM hubwatch.ledger_account")
    ranges = [(attrs["epoch"], attrs["first_seq"], attrs["last_seq"]) for (attrs,) in gone]
    missing = [promise for promise in promises if any(number not in stored for number in _numbers(promise))]
    lost = [promise for promise in missing if not _declared(promise, ranges)]
    doubled = [number for number, count in stored.items() if count > 1]
    detail = f"lost {lost[:3]} doubled {doubled[:3]} dead letters {dead}" if lost or doubled or dead else ""
    return Verdict(
        promised=sum(promise["count"] for promise in promises),
        lost=sum(1 for promise in lost for number in _numbers(promise) if number not in stored),
        doubled=len(doubled),
        evicted=sum(promise["count"] for promise in missing) - sum(promise["count"] for promise in lost),
        unexplained=unexplained[0][0],
        detail=detail,
    )


def _promises(journal: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in journal.read_text().splitlines() if line.startswith("{")]
    return [line | {"sensor": journal.stem} for line in lines if "count" in line]


def doors_forced(journals: Iterable[Path]) -> set[str]:
    """Return the doors that were forced, by the devices' own account."""
    lines = [json.loads(line) for journal in journals for line in journal.read_text().splitlines() if line[:1] == "{"]
    return {line["door"] for line in lines if "door" in line}


def _numbers(promise: dict[str, Any]) -> list[tuple[str, int]]:
    return [(promise["sensor"], promise["first"] + i) for i in range(promise["count"])]


def _declared(promise: dict[str, Any], ranges: list[tuple[str, int, int]]) -> bool:
    return any(epoch == promise["epoch"] and first <= promise["seq"] <= last for epoch, first, last in ranges)


def _rows(connection: psycopg.Connection[Any], query: str) -> list[Any]:
    return connection.execute(query.encode()).fetchall()
