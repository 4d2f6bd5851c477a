"""The journal of what people and programs did, chained by hash: rows are added, and never changed."""

from hubwatch_store.audit.journal import journal, journal_now

__all__ = ["journal", "journal_now"]
