"""Frames into rows, once each."""

from hubwatch_store.ingest.dead_letters import (
    DeadLetter,
    ask_replay,
    asked,
    count_listed,
    listed,
    mark_replayed,
    mark_still_dead,
    shown,
    waiting,
)
from hubwatch_store.ingest.evidence import signed_lines
from hubwatch_store.ingest.ledger import LOCK_BUCKETS
from hubwatch_store.ingest.mistrust import tell
from hubwatch_store.ingest.offer import Departure, Letter, Mistrust, Notice, Offer, State
from hubwatch_store.ingest.recent import (
    KEEP_RECENT,
    EpochName,
    FoldedFrames,
    FrameKey,
    SeenFrameNumbers,
    StoredFrame,
    folded_unseen,
    messages_of,
    unseen,
)
from hubwatch_store.ingest.writer import Writer, Written

__all__ = [
    "KEEP_RECENT",
    "LOCK_BUCKETS",
    "DeadLetter",
    "Departure",
    "EpochName",
    "FoldedFrames",
    "FrameKey",
    "Letter",
    "Mistrust",
    "Notice",
    "Offer",
    "SeenFrameNumbers",
    "State",
    "StoredFrame",
    "Writer",
    "Written",
    "ask_replay",
    "asked",
    "count_listed",
    "folded_unseen",
    "listed",
    "mark_replayed",
    "mark_still_dead",
    "messages_of",
    "shown",
    "signed_lines",
    "tell",
    "unseen",
    "waiting",
]
