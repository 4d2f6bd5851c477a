"""The queue: what to do next, first. Its filters stand in the address, so that a desk keeps and hands them on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from hubwatch_alarms import acts
from hubwatch_alarms.people import parse_note
from hubwatch_console.access import Parts, SharedParts
from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.pages.visiting import VisitorWho, own_path
from hubwatch_console.routes.alarms import seen_by
from hubwatch_console.routes.bodies import AlarmNumber
from hubwatch_console.watching import WatchDoubt
from hubwatch_core.alarm import SET_ASIDE, Alarm
from hubwatch_core.permission import UserAct
from hubwatch_store.alarms import Telling, alarms, figures, notifications
from hubwatch_store.console import HubSeen, QueueFilter, Which, queue
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller

router = APIRouter(include_in_schema=False)

PER_PAGE = 50
MOST_PAGES = 200
ON_THE_WALL = 12

Seeing = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_SEE))]
Acknowledging = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_ACKNOWLEDGE))]
HubName = Annotated[str | None, Query(max_length=63)]


@dataclass(frozen=True, slots=True)
class QueueRow:
    """An alarm as the queue shows it."""

    alarm: Alarm
    title: str
    do: str
    telling: Telling
    cause: int | None

    @property
    def untold(self) -> bool:
        """Return whether nobody was told of it, and nobody has taken it either."""
        waiting = self.alarm.state in {"unacknowledged", "returned"}
        return waiting and (self.telling.untold_since is not None or self.telling.told is None)


@dataclass(frozen=True, slots=True)
class QueueShown:
    """A page of the queue, with what stands around it."""

    rows: list[QueueRow]
    more: bool
    counts: dict[tuple[str, int], int]
    made_up: dict[tuple[str, int], int]
    """How many of them are of exercises."""
    hubs: list[HubSeen]
    zones: list[str]
    floods: list[str]
    doubts: dict[str, list[WatchDoubt]]
    """By hub, why it is not known that all is well."""
    blind: dict[str, int]
    """By hub, how many sensors are not seen, where there are such."""
    last: int
    """The newest entry of the journal that this shows."""

    @property
    def waiting(self) -> int:
        """Return how many real alarms nobody has."""
        return sum(n for (state, _), n in self._real() if state in {"unacknowledged", "returned"})

    @property
    def open(self) -> int:
        """Return how many alarms are open."""
        return sum(self.counts.values())

    def of_priority(self, priority: int) -> int:
        """Return how many real open alarms of a priority nobody has set aside."""
        return sum(n for (state, its), n in self._real() if its == priority and state not in SET_ASIDE)

    @property
    def aside(self) -> int:
        """Return how many real alarms are shelved, expected or out of service."""
        return sum(n for (state, _), n in self._real() if state in SET_ASIDE)

    @property
    def exercised(self) -> int:
        """Return how many open alarms exercises have made up."""
        return sum(self.made_up.values())

    def _real(self) -> list[tuple[tuple[str, int], int]]:
        return [(key, n - self.made_up.get(key, 0)) for key, n in self.counts.items()]


@router.get("/")
async def show_queue(
    request: Request,
    caller: Seeing,
    parts: SharedParts,
    hub: HubName = None,
    zone: HubName = None,
    priority: Annotated[str, Query(pattern="^[1-4]?$")] = "",
    show: Which = Which.ALL,
    p: Annotated[int, Query(ge=1, le=MOST_PAGES)] = 1,
    about: Annotated[int | None, Query(ge=1, lt=10**18)] = None,
) -> Response:
    """Show the queue of the hubs that one sees."""
    wanted = QueueFilter(hub or None, zone or None, int(priority) if priority else None, show)
    found = await read(parts, caller, wanted, skip=(p - 1) * PER_PAGE, most=PER_PAGE)
    told = None
    if about is not None:
        with translated():
            async with parts.pool.connection() as connection:
                told = await acts.existing(connection, about, caller.person)
    return render(request, "queue.html", caller, found=found, wanted=wanted, number=p, which=Which, told=told)


@router.get("/wall")
async def show_wall(request: Request, caller: Seeing, parts: SharedParts, hub: HubName = None) -> Response:
    """Show what is most urgent, to be read from five metres; nothing to press."""
    found = await read(parts, caller, QueueFilter(hub or None), skip=0, most=ON_THE_WALL)
    with translated():
        async with parts.pool.connection() as connection:
            untold = await queue.untold(connection, hub or None, seen_by(caller.person))
    return render(
        request, "wall.html", caller, found=found, wanted=QueueFilter(hub or None), wall=True, untold=untold,
        many=queue.MOST_UNTOLD,
    )  # fmt: skip


@router.post("/alarms/{alarm}/acknowledge")
async def acknowledge(request: Request, alarm: AlarmNumber, caller: Acknowledging, parts: SharedParts) -> Response:
    """Take an alarm; where somebody else was quicker, the page says who."""
    note, to = parse_note(request.state.form.get("note"), "note"), own_path(request.state.form.get("to"))
    try:
        async with alarms.moving(parts.pool) as connection:
            await acts.acknowledge(connection, caller.person, alarm, note)
    except acts.MoveRefused:
        join = "&" if "?" in to else "?"
        to = f"{to.partition('#')[0]}{join}about={alarm}"
    return RedirectResponse(Page(request, caller).prefix + to, 303)


async def read(parts: Parts, caller: KnownCaller, wanted: QueueFilter, *, skip: int, most: int) -> QueueShown:
    """Read a page of the queue as somebody sees it. Raises Transient or Permanent."""
    seen = seen_by(caller.person)
    with translated():
        async with parts.pool.connection() as connection, connection.transaction():
            # First: what happens while the rest is read is then shown again, and never missed.
            last = await queue.last_move(connection)
            floods = [each.hub for each in await figures.floods(connection, seen)]
            found = await queue.page(
                connection, wanted, person=caller.person.name, skip=skip, most=most + 1, seen=seen, calm=not floods
            )
            numbers = [each.id for each in found[:most]]
            telling = await notifications.telling(connection, numbers)
            causes = await figures.causes(connection, numbers)
            hubs = await queue.hubs(connection, seen)
            counts = await queue.counts(connection, wanted.hub, seen)
            made_up = await queue.exercised(connection, wanted.hub, seen)
            zones = await queue.zones(connection, seen)
    rows = []
    for each in found[:most]:
        instruction = parts.instructions.of(each.type, each.hub)
        told = telling.get(each.id, Telling())
        rows.append(QueueRow(each, instruction.title, instruction.do, told, causes.get(each.id)))
    shown = [each.hub for each in hubs if wanted.hub in {None, each.hub}]
    doubts = {hub: doubts_of(parts, hub) for hub in shown}
    blind = {hub: parts.feed.blind(hub) for hub in shown if parts.feed is not None and parts.feed.blind(hub)}
    return QueueShown(rows, len(found) > most, counts, made_up, hubs, zones, floods, doubts, blind, last)


def doubts_of(parts: Parts, hub: str) -> list[WatchDoubt]:
    """Return why it is not known that all is well at a hub."""
    return [WatchDoubt.NOT_ASKED] if parts.feed is None else parts.feed.doubts(hub)
