"""What an incident is called (what happened, where in the words of the site, which way it went), and how severe it is.

Made anew in the transaction in which its alarms change, so that no alarm joins an incident that does not say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.places import Places
from hubwatch_alarms.site_words import SiteWords
from hubwatch_core.alarm import EXERCISE, Action, Alarm
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import Priority
from hubwatch_store.alarms import Member, Membership, incident_acts, incidents
from hubwatch_store.database import DatabaseConnection

CHANGING = frozenset({Action.OPENED, Action.RAISED, Action.REPEATED, Action.RECURRED})
"""After these an alarm may begin earlier, be more urgent, or be in an incident that it was not in."""
MOST_KINDS = 2
MOST_PLACES = 3
LONGEST_TITLE = 300
MOST_DUE = 100


class IncidentTitles:
    """Keeps the title and the severity of incidents as their alarms are."""

    def __init__(self, instructions: Instructions, places: Places) -> None:
        self._instructions, self._places = instructions, places

    def first(self, alarm: Alarm) -> str:
        """Return the title of an incident that begins with an alarm."""
        member = Member(alarm.id, alarm.type, alarm.zone, alarm.sensor, alarm.priority, alarm.opened)
        return title_of([member], self._places.words(alarm.hub), self._instructions, alarm.hub)

    async def renew(self, connection: DatabaseConnection, moved: Iterable[tuple[Alarm, Action]]) -> None:
        """Give incidents whose alarms have changed the title that they have now; one that is more severe is told so."""
        touched = {alarm.incident for alarm, action in moved if action in CHANGING and alarm.incident is not None}
        due = await incidents.titles_due(connection, MOST_DUE)
        if not touched and not due:
            return
        for found in await incidents.memberships(connection, sorted(touched | set(due))):
            await self._renew(connection, found)

    async def _renew(self, connection: DatabaseConnection, found: Membership) -> None:
        title = title_of(found.members, self._places.words(found.hub), self._instructions, found.hub)
        gravest = min(found.members, key=lambda each: (each.priority, each.opened))
        former = found.title.removeprefix(f"{EXERCISE}: ")  # the database says it of whatever an exercise is called
        if (title, gravest.priority, False) == (former, found.priority, found.title_due):
            return
        await incidents.entitle(connection, found.id, title, gravest.priority)
        if found.priority is not None and gravest.priority < found.priority:
            note = f"{Priority(found.priority).name.lower()} before, now {Priority(gravest.priority).name.lower()}"
            await incident_acts.raised(connection, found.id, found.hub, gravest.alarm, note)


def title_of(members: Sequence[Member], words: SiteWords, instructions: Instructions, hub: str) -> str:
    """Return what happened in words, of alarms in the order of time: what, where, and which way it went."""
    gravest_first = sorted(members, key=lambda each: (each.priority, each.opened, each.alarm))
    what = _kinds(list(dict.fromkeys(instructions.of(each.type, hub).title for each in gravest_first)))
    way = words.way(members)
    if way is not None:
        return one_line(f"{what}, {words.hub}: {way}")[:LONGEST_TITLE]
    sensors = {each.sensor for each in members}
    if len(sensors) == 1:
        return one_line(f"{what}, {words.hub} / {words.exactly(members[0])}")[:LONGEST_TITLE]
    places = list(dict.fromkeys(words.place(each) for each in members))
    return one_line(f"{what}, {words.hub} / {_listed(places, MOST_PLACES)}")[:LONGEST_TITLE]


def _kinds(titles: Sequence[str]) -> str:
    rest = [title[:1].lower() + title[1:] if title[1:2].islower() else title for title in titles[1:]]
    return _listed([titles[0], *rest], MOST_KINDS)


def _listed(names: Sequence[str], most: int) -> str:
    """Return names as people say them; what is beyond `most` is counted."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
