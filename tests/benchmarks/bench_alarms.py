"""What a control room gets of a shift, and what the alarms process can carry: `make bench ONLY=alarms`.

Each part has a database of its own on the real server and runs the product's mover, sender and store. That server does
not write through to the disk (fsync off); what the mover carries is measured once more on one that does (`_fsync`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.alarms_moves import moves
from benchmarks.alarms_shift import shift
from benchmarks.alarms_telling import telling
from benchmarks.result import Progress, Result, at_least, at_most
from hubwatch_store.database import DatabaseSection, migrate
from support import services
from support.databases import fresh_database
from support.own_timescale import own_server

Measure = Callable[[str, Path, Progress], Awaitable[dict[str, float]]]
PARTS: tuple[Measure, ...] = (shift, telling, moves)


@contextmanager
def _writing_through() -> Iterator[str]:
    """Make a migrated database on a server whose commits are on the disk; without root on a plain PostgreSQL."""
    kind = own_server("timescaledb" if os.geteuid() == 0 else "postgresql")
    with kind.below_tmp() as server:
        server.start()
        with fresh_database(server.dsn) as dsn:
            migrate(DatabaseSection(dsn=dsn))
            yield dsn


async def run(progress: Progress) -> Result:
    """Play a shift, tell people while a route hangs, and empty an inbox that is full."""
    figures: dict[str, float] = {}
    for measure in PARTS:
        with fresh_database(services.timescale_server()) as dsn, tempfile.TemporaryDirectory() as folder:
            migrate(DatabaseSection(dsn=dsn))
            figures |= await measure(dsn, Path(folder), progress)
    with _writing_through() as dsn, tempfile.TemporaryDirectory() as folder:
        found = await moves(dsn, Path(folder), progress)
    figures |= {f"{key}_fsync": figure for key, figure in found.items()}
    targets = {
        "shift_alarms_per_hour": at_most(6),
        "shift_incidents_complete": at_least(2),
        "priority1_folded": at_most(0),
        "webhook_p99_ms": at_most(1000),
        "escalated_unanswered": at_least(1),
        "moves_per_s": at_least(2000),
        "moves_per_s_fsync": at_least(2000),
    }
    return Result(figures, targets)
