"""Acknowledge from a message: a page with one button for whoever has the link, and what the button does.

One message may tell of several alarms: the button takes those that this message told of, and no other one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from hubwatch_alarms import acts
from hubwatch_alarms.mover import AlarmChange
from hubwatch_alarms.oncall.link import parse_token
from hubwatch_console.access import Parts, Public, SharedParts
from hubwatch_console.pages import link_page as phrases
from hubwatch_console.pages.link_page import LinkedAlarm, Phrase, show_link
from hubwatch_core.alarm import Alarm
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import Actor, UserAct, may
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import AlarmState
from hubwatch_store.alarms import alarms, notifications
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.users import NotAllowed, find_user, has_directory

router = APIRouter(prefix="/acknowledge", tags=["acknowledge"], dependencies=[Depends(Public())])

NO_BUTTON: dict[int | str, dict[str, Any]] = {
    404: {"description": "The link is none of ours, as a page.", "content": {"text/html": {}}},
    409: {"description": "The link does nothing any more; the page says why.", "content": {"text/html": {}}},
}


@dataclass(frozen=True, slots=True)
class Linked:
    """A message whose link was opened, with every alarm that it told of; its own is the first."""

    message: str
    person: str
    alarms: tuple[LinkedAlarm, ...]
    used: str | None
    """Why the link does nothing any more."""

    @property
    def refusal(self) -> str | None:
        """Return why its button would do nothing; where several alarms differ in that, the page says it of each."""
        if self.used is not None or not all(each.refusal for each in self.alarms):
            return self.used
        return self.alarms[0].refusal if len(self.alarms) == 1 else phrases.NONE_WAITS

    @property
    def open(self) -> int:
        """Return how many alarms its button takes."""
        return sum(each.refusal is None for each in self.alarms)


@router.get("/{token}", response_class=HTMLResponse, responses=NO_BUTTON)
async def show(request: Request, token: str, parts: SharedParts) -> HTMLResponse:
    """Show every alarm of the message and one button; nothing changes, whoever opens the link."""
    linked = await _looked_up(parts, token)
    if linked is None:
        return show_link(request, 404, phrases.NOT_VALID, said=phrases.NO_LINK)
    title = _title(parts, linked)
    if linked.refusal is not None:
        # What is told last is what a person reads of a link that does nothing: one alarm says nothing beside it.
        shown = () if len(linked.alarms) == 1 else linked.alarms
        return show_link(request, 409, title, said=linked.refusal, alarms=shown, first=linked.alarms[0].alarm)
    button = Phrase(phrases.TAKE, who=linked.person)
    if linked.open > 1:
        button = Phrase(phrases.TAKE_ALL, many=str(linked.open), who=linked.person)
    return show_link(request, 200, title, alarms=linked.alarms, button=button)


@router.post("/{token}", response_class=HTMLResponse, responses=NO_BUTTON)
async def acknowledge(request: Request, token: str, parts: SharedParts) -> HTMLResponse:
    """Take the alarms that the message told of as its recipient, and say which; the link is used up."""
    # Whoever has no good link must not even wait for the lock of all moves.
    if await _looked_up(parts, token) is None:
        return show_link(request, 404, phrases.NOT_VALID, said=phrases.NO_LINK)
    try:
        async with alarms.moving(parts.pool) as connection:
            linked = await _linked(connection, parts, token)
            if linked is None:
                return show_link(request, 404, phrases.NOT_VALID, said=phrases.NO_LINK)
            if linked.refusal is not None or not await notifications.answer(connection, linked.message):
                return show_link(request, 409, phrases.NOTHING, said=linked.refusal or phrases.USED)
            done = await _take(connection, linked)
    except Permanent as error:
        return show_link(request, 409, phrases.NOTHING, said=str(error))
    return show_link(request, 200, phrases.DONE, said=_said(linked, done), alarms=_results(linked, done))


async def _take(connection: DatabaseConnection, linked: Linked) -> dict[int, AlarmChange | str]:
    """Take each alarm that can be taken; return by alarm what came of it. Raises Permanent when none could be."""
    # Who has the link has a message that went to them; that they have logged in nobody has seen.
    person = Actor(linked.person, verified=False)
    done: dict[int, AlarmChange | str] = {}
    for each in linked.alarms:
        if each.refusal is not None:
            done[each.alarm.id] = each.refusal
            continue
        await _check(connection, linked.person, each.alarm.hub)
        note = f"by the link of {linked.message}"
        done[each.alarm.id] = await acts.acknowledge_or_say(connection, person, each.alarm.id, note)
    refusals = [said for said in done.values() if isinstance(said, str)]
    if len(refusals) == len(done):
        raise Permanent(refusals[0])
    return done


async def _looked_up(parts: Parts, token: str) -> Linked | None:
    with translated():
        async with parts.pool.connection() as connection:
            return await _linked(connection, parts, token)


async def _linked(connection: DatabaseConnection, parts: Parts, token: str) -> Linked | None:
    """Return the message of a link; None when the link is none of ours."""
    section, found = parts.settings.acknowledge, parse_token(token)
    if section is None or found is None:
        return None
    message = await notifications.addressed(connection, found.message)
    if message is None or not found.is_sealed(section.key(), message.alarm, message.person):
        return None
    told = [
        await _standing(connection, each)
        for each in await notifications.named(connection, found.message, found.attempt)
    ]
    used = phrases.OVER if found.until_s < time.time() else None
    return Linked(
        found.message, message.person, tuple(told), phrases.USED if message.answered and used is None else used
    )


async def _standing(connection: DatabaseConnection, named: notifications.NamedAlarm) -> LinkedAlarm:
    alarm = await acts.existing(connection, named.alarm)
    return LinkedAlarm(alarm, phrases.SURPASSED if named.surpassed else _held(alarm))


def _held(alarm: Alarm) -> str | None:
    """Return why a link does not reset an alarm: that is done by somebody who is logged in."""
    if alarm.state is not AlarmState.ACKNOWLEDGED or alarm.returned is None:
        return None
    who = one_line(alarm.acknowledged_by or "?")
    return Phrase(phrases.HELD, who=who)


async def _check(connection: DatabaseConnection, person: str, hub: str) -> None:
    """Raise NotAllowed where there is a directory in which the person may not take alarms of a hub."""
    if not await has_directory(connection):
        return
    user = await find_user(connection, person)
    if user is None or user.disabled is not None or not may(user.person(), UserAct.ALARM_ACKNOWLEDGE, hub):
        raise NotAllowed(f"{person} may not acknowledge alarms at this hub")


def _title(parts: Parts, linked: Linked) -> str:
    first = linked.alarms[0].alarm
    title = parts.instructions.of(first.type, first.hub).title
    more = len(linked.alarms) - 1
    return title if not more else Phrase(phrases.AND_MORE, title=title, more=str(more))


def _results(linked: Linked, done: dict[int, AlarmChange | str]) -> list[LinkedAlarm]:
    """Return each alarm as it stands now, with what came of it where there are several."""
    found = []
    for each in linked.alarms:
        result = done[each.alarm.id]
        if isinstance(result, str):
            found.append(LinkedAlarm(each.alarm, result))
        else:
            found.append(LinkedAlarm(result.alarm, phrases.YOURS if len(done) > 1 else None))
    return found


def _said(linked: Linked, done: dict[int, AlarmChange | str]) -> str:
    """Return what came of it in one sentence."""
    changes = [result for result in done.values() if isinstance(result, AlarmChange)]
    if len(linked.alarms) == 1:
        return phrases.YOURS if changes[0].entries else phrases.YOURS_ALREADY
    many = {"some": str(len(changes)), "all": str(len(linked.alarms))}
    return Phrase(phrases.SOME, **many)
