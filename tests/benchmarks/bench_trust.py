"""What nobody can change without being found out, and what the protections cost.

`make bench ONLY=trust`.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks.result import Progress, Result, at_most
from hubwatch_store.database import DatabaseSection, migrate
from support import services
from support.chain_changes import changes, kept_chain
from support.databases import fresh_database


async def run(progress: Progress) -> Result:
    """Change the journal of acts in every way we know, and look whether it is found."""
    figures = await asyncio.to_thread(_journal, progress)
    targets = {"journal_changes_undetected": at_most(0)}
    return Result(figures, targets)


def _journal(progress: Progress) -> dict[str, float]:
    kinds = changes()
    with fresh_database(services.timescale_server()) as dsn, tempfile.TemporaryDirectory() as folder:
        migrate(DatabaseSection(dsn=dsn))
        with kept_chain(dsn, Path(folder)) as chain:
            assert chain.faults() == [], "an unchanged journal has no faults"
            undetected = [name for name, statements in kinds.items() if not chain.found_after(statements)]
            assert chain.faults() == [], "every change was undone"
    progress(f"journal: {len(kinds)} kinds of change, not found: {', '.join(undetected) or 'none'}")
    return {"journal_change_kinds": len(kinds), "journal_changes_undetected": len(undetected)}
