"""The site of each hub in the database: what is in force, who changed what, and what agents have announced."""

from hubwatch_store.site import checklists
from hubwatch_store.site.applying import Applied, apply
from hubwatch_store.site.cardholders import HubNames, Imported, count_people, import_list, known_to, people_of
from hubwatch_store.site.checklists import ListedLevel, Tick
from hubwatch_store.site.following import ASK_EVERY_S, Sites
from hubwatch_store.site.level import (
    Level,
    LevelChange,
    Scale,
    end_due,
    hold_level,
    level_history,
    levels,
    scales,
    set_level,
)
from hubwatch_store.site.versions import CHANNEL, Version, announced, history, hubs, in_force, time_zone, version

__all__ = [
    "ASK_EVERY_S",
    "CHANNEL",
    "Applied",
    "HubNames",
    "Imported",
    "Level",
    "LevelChange",
    "ListedLevel",
    "Scale",
    "Sites",
    "Tick",
    "Version",
    "announced",
    "apply",
    "checklists",
    "count_people",
    "end_due",
    "history",
    "hold_level",
    "hubs",
    "import_list",
    "in_force",
    "known_to",
    "level_history",
    "levels",
    "people_of",
    "scales",
    "set_level",
    "time_zone",
    "version",
]
