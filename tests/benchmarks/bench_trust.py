"""What nobody can change or read without right, and what the protections cost.

`make bench ONLY=trust`.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks import trust_frames
from benchmarks.result import Progress, Result, at_least, at_most
from benchmarks.trust_isolation import foreign_reads, isolation
from hubwatch_store.database import DatabaseSection, migrate
from support import services
from support.chain_changes import changes, kept_chain
from support.databases import fresh_database


async def run(progress: Progress) -> Result:
    """Change the journal of acts in every way we know, read foreign hubs, forge frames, and measure what it costs."""
    figures: dict[str, float] = {}
    for measure in (_journal, foreign_reads, isolation):
        figures |= await asyncio.to_thread(measure, progress)
    figures |= await trust_frames.measured(progress)
    targets = {
        "signed_ingest_ratio": at_least(0.85),
        "forged_refused": at_least(1),
        "replayed_refused": at_least(1),
        "journal_changes_undetected": at_most(0),
        "foreign_hub_reads": at_most(0),
        "rls_ingest_ratio": at_least(0.95),
        "rls_panel_ratio": at_least(0.95),
    }
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
