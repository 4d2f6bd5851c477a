"""Retention, legal holds and the compaction of the ledger."""

from hubwatch_store.keeping import legal_hold, privacy
from hubwatch_store.keeping.legal_hold import Hold
from hubwatch_store.keeping.privacy import Erasure
from hubwatch_store.keeping.retention import Deleted
from hubwatch_store.keeping.retention_rules import Evidence, RetentionRule, change, change_evidence, evidence, rules

__all__ = [
    "Deleted",
    "Erasure",
    "Evidence",
    "Hold",
    "RetentionRule",
    "change",
    "change_evidence",
    "evidence",
    "legal_hold",
    "privacy",
    "rules",
]
