"""The checklist of a hub's security level: what its site says is to be done, and who has ticked what.

One path for pages and the API, in the caller's transaction. Each tick stands in a journal of its own, and in that of
acts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hubwatch_alarms.facts import iso
from hubwatch_core.clock import to_us
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import Actor, UserAct, may
from hubwatch_core.plain_text import one_line
from hubwatch_site import HubSite
from hubwatch_site.model import LevelCheck
from hubwatch_store.database import DatabaseConnection
from hubwatch_store.site import ListedLevel, Tick, checklists
from hubwatch_store.users import check_may, record


@dataclass(frozen=True, slots=True)
class Checklist:
    """What is to be done at a hub at its level, in the order of its site, with what was said of each since it began."""

    hub: str
    level: ListedLevel
    checks: Sequence[LevelCheck]
    ticks: Mapping[str, Tick]
    known: bool
    """Whether there is a site that says what is to be done; without one nobody can call it done."""

    @property
    def left(self) -> int:
        """Return how many are still to be done."""
        return sum(not self.is_done(each.id) for each in self.checks)

    def is_done(self, item: str) -> bool:
        """Return whether an item is ticked."""
        tick = self.ticks.get(item)
        return tick is not None and tick.done

    @property
    def former(self) -> list[Tick]:
        """Return what was ticked of items that the site has no more: it was done all the same."""
        names = {each.id for each in self.checks}
        return [tick for item, tick in self.ticks.items() if item not in names and tick.done]

    def facts(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "hub": self.hub,
            "level": self.level.level,
            "began": self.level.began,
            "known": self.known,
            "left": self.left if self.known else None,
            "checks": [{"id": each.id, "text": each.text, **_said(self.ticks.get(each.id))} for each in self.checks],
        }


async def standing(connection: DatabaseConnection, hub: str, site: HubSite | None) -> Checklist:
    """Return the list of a hub as it stands; raises Permanent where there is no such hub."""
    return await _list(connection, hub, site, hold=False)


async def seen(connection: DatabaseConnection, person: Actor, hub: str, site: HubSite | None) -> Checklist:
    """Return the list of a hub that a person sees; raises Permanent for another one."""
    if not may(person, UserAct.ALARM_SEE, hub):
        raise _no_hub(hub)
    return await standing(connection, hub, site)


async def tick(
    connection: DatabaseConnection, person: Actor, hub: str, site: HubSite | None, item: str, *, began: int | None,
    done: bool, note: str | None,
) -> Checklist:  # fmt: skip
    """Tick an item of the list that began with that entry of the level's journal, or take its tick away.

    Raises NotAllowed, and Permanent where the level has changed since, or somebody else was quicker.
    """
    if not may(person, UserAct.ALARM_SEE, hub):
        raise _no_hub(hub)
    check_may(person, UserAct.CHECKLIST_TICK, hub)
    found = await _list(connection, hub, site, hold=True)
    if began != found.level.began:
        raise Permanent(f"the level of {hub} has changed meanwhile, it is {found.level.level}: its list begins anew")
    check = next((each for each in found.checks if each.id == item), None)
    if check is None:
        raise Permanent(f"{one_line(item)[:63]} is not on the list of {hub} at level {found.level.level}")
    former = found.ticks.get(item)
    if former is not None and former.done == done:
        raise Permanent(f"{former.by} was quicker: {item} is {'ticked' if done else 'to be done'} already")
    if former is None and not done:
        raise Permanent(f"nobody has ticked {item}")
    await checklists.add(connection, hub, found.level, item, check.text, person, done=done, note=note)
    details = {"level": found.level.level, "text": check.text, "done": done, "note": note or ""}
    await record(connection, person, str(UserAct.CHECKLIST_TICK), f"check {item}", hub=hub, details=details)
    return await standing(connection, hub, site)


async def _list(connection: DatabaseConnection, hub: str, site: HubSite | None, *, hold: bool) -> Checklist:
    level = await checklists.level_of(connection, hub, hold=hold)
    if level is None:
        raise _no_hub(hub)
    checks = () if site is None else site.checks
    ticks = await checklists.ticks(connection, hub, level.began)
    return Checklist(hub, level, [each for each in checks if level.list in each.levels], ticks, site is not None)


def _said(tick: Tick | None) -> dict[str, object]:
    if tick is None:
        return {"done": False, "by": None, "at": None, "note": None}
    return {"done": tick.done, "by": tick.by, "at": iso(to_us(tick.at)), "note": tick.note}


def _no_hub(hub: str) -> Permanent:
    return Permanent(f"there is no hub {one_line(hub)[:63]}")
