"""The journal of what people and programs did, chained by hash: rows are added, and never changed."""

from hubwatch_store.audit.journal import journal, journal_now
from hubwatch_store.audit.reading import audit_rows, last_rows, signed_ends, verify
from hubwatch_store.audit.signing import AuditSection, sign, sign_daily

__all__ = [
    "AuditSection",
    "audit_rows",
    "journal",
    "journal_now",
    "last_rows",
    "sign",
    "sign_daily",
    "signed_ends",
    "verify",
]
