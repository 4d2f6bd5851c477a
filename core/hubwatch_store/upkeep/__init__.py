"""What a database needs from time to time, as a command and as a part of every collector."""

from hubwatch_store.upkeep.long_sessions import EndedSession, end_long_sessions
from hubwatch_store.upkeep.long_sessions import part as sessions_part
from hubwatch_store.upkeep.maintenance import Done, Upkeep, maintain, upkeep
from hubwatch_store.upkeep.service import part
from hubwatch_store.upkeep.unexplained_gaps import report_unexplained_gaps

__all__ = [
    "Done",
    "EndedSession",
    "Upkeep",
    "end_long_sessions",
    "maintain",
    "part",
    "report_unexplained_gaps",
    "sessions_part",
    "upkeep",
]
