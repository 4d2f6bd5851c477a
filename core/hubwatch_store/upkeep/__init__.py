"""What a database needs from time to time, as a command and as a part of every collector."""

from hubwatch_store.upkeep.maintenance import Done, Upkeep, maintain, upkeep
from hubwatch_store.upkeep.service import part
from hubwatch_store.upkeep.unexplained_gaps import report_unexplained_gaps

__all__ = ["Done", "Upkeep", "maintain", "part", "report_unexplained_gaps", "upkeep"]
