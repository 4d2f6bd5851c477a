"""Agents and sensors over time: taken away for good, replaced, moved, renamed; and the journal that says by whom."""

from hubwatch_store.devices.departures import forget_agent, forget_sensor, heard_of_departure
from hubwatch_store.devices.journal import Act, acts, ordered
from hubwatch_store.devices.keys import AgentKeys
from hubwatch_store.devices.listings import lock
from hubwatch_store.devices.lives import move, rename, replace
from hubwatch_store.devices.rights import Rights, SayingRules, Sifted, claimed_in, give, note_claims, share

__all__ = [
    "Act",
    "AgentKeys",
    "Rights",
    "SayingRules",
    "Sifted",
    "acts",
    "claimed_in",
    "forget_agent",
    "forget_sensor",
    "give",
    "heard_of_departure",
    "lock",
    "move",
    "note_claims",
    "ordered",
    "rename",
    "replace",
    "share",
]
