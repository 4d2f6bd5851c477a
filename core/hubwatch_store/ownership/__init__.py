"""One process for work that only one may do: who has it, in a table."""

from hubwatch_store.ownership.lease import NameLost, WorkClaim, still_ours
from hubwatch_store.ownership.owner import NameTaken, Owner

__all__ = ["NameLost", "NameTaken", "Owner", "WorkClaim", "still_ours"]
