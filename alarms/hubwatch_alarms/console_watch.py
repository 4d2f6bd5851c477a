"""Open alarms while somebody watches: on a terminal as a table that moves, in a pipe as lines, or as lines of JSON."""

from __future__ import annotations

import json
from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from hubwatch_alarms.console import PRIORITY_STYLES, age, list_table
from hubwatch_alarms.facts import facts_of, iso
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.message import where
from hubwatch_alarms.watching import Change, Watched
from hubwatch_core.alarm import mark
from hubwatch_core.clock import SECOND_US, clock_text, now_us
from hubwatch_core.plain_text import one_line
from hubwatch_core.terminal import say, say_json
from hubwatch_core.words import Priority

RECENT = 8
"""Changes that stand below the table."""
SAID_EVERY_US = 10 * SECOND_US
"""How often lines say that nothing has changed, or that the source is still lost: silence would say neither."""


def change_line(change: Change, instructions: Instructions, now: int) -> str:
    """Return what has changed, in one line."""
    alarm = change.alarm
    holder = f", with {alarm.acknowledged_by}" if alarm.acknowledged_by else ""
    title = f"{mark(alarm)}{instructions.of(alarm.type, alarm.hub).title}"
    state = f" ({alarm.state})" if change.what in {"open", "changed"} else ""
    what = f"{change.what}{state}: alarm {alarm.id}, {Priority(alarm.priority).name}, {title}, {where(alarm)}{holder}"
    return f"{clock_text(now)} {one_line(what)}"


def age_line(watched: Watched, source: str, now: int) -> str:
    """Return where what is shown comes from and how old it is; that first, where it must not be trusted."""
    if watched.seen is None:
        return f"NOTHING SEEN YET of {source}: {one_line(watched.lost or 'no answer yet')}"
    count = f"{len(watched.found.alarms)} open"
    more = f" of {len(watched.found.alarms) + watched.found.more}" if watched.found.more else ""
    old = f"as of {clock_text(watched.seen)}, {age(now - watched.seen)} old"
    if watched.is_stale(now):
        return f"SOURCE LOST, {old}: {one_line(watched.lost or 'no answer')} ({count}{more} then, from {source})"
    flood = f"; flood at {one_line(', '.join(watched.found.floods))}" if watched.found.floods else ""
    return f"live from {source}, {old}: {count}{more}{flood}"


class _Lines:
    """Says what is new at once, and now and then that nothing is."""

    def __init__(self) -> None:
        self._said = 0

    def _is_due(self, now: int) -> bool:
        due = not 0 <= now - self._said < SAID_EVERY_US
        if due:
            self._said = now
        return due


class PlainLines(_Lines):
    """A line for each change."""

    def __init__(self, source: str, instructions: Instructions) -> None:
        super().__init__()
        self._source, self._instructions = source, instructions

    def changed(self, watched: Watched, changes: list[Change], now: int) -> None:
        """Print what has changed."""
        for change in changes:
            say(change_line(change, self._instructions, now))
        if self._is_due(now):
            say(age_line(watched, self._source, now))

    def lost(self, watched: Watched, now: int, *, first: bool) -> None:
        """Say so at once, and again while it lasts."""
        if self._is_due(now) or first:
            say(age_line(watched, self._source, now))

    def back(self, watched: Watched, now: int) -> None:
        """Say so."""
        say(f"{clock_text(now)} the source is back: {one_line(self._source)}")


class JsonLines(_Lines):
    """A JSON object a line: `event` is a change, or watching, lost, back."""

    def __init__(self, source: str, instructions: Instructions) -> None:
        super().__init__()
        self._source, self._instructions = source, instructions

    def changed(self, watched: Watched, changes: list[Change], now: int) -> None:
        """Print what has changed."""
        for change in changes:
            title = self._instructions.of(change.alarm.type, change.alarm.hub).title
            self._say(change.what, watched, now, alarm=facts_of(change.alarm, title))
        if self._is_due(now):
            self._say("watching", watched, now, open=len(watched.found.alarms), more=watched.found.more)

    def lost(self, watched: Watched, now: int, *, first: bool) -> None:
        """Say so at once, and again while it lasts."""
        if self._is_due(now) or first:
            self._say("lost", watched, now, reason=watched.lost)

    def back(self, watched: Watched, now: int) -> None:
        """Say so."""
        self._say("back", watched, now)

    def _say(self, event: str, watched: Watched, now: int, **more: object) -> None:
        body: dict[str, object] = {"event": event, "at": iso(now), "source": self._source, "seen": iso(watched.seen)}
        say_json(json.dumps(body | {"age_s": watched.age_s(now)} | more, ensure_ascii=False))


class LiveTable:
    """A table that moves; its age goes on although nothing is heard."""

    def __init__(self, console: Console, source: str, instructions: Instructions) -> None:
        self._source, self._instructions = source, instructions
        self._watched = Watched()
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=2, screen=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def changed(self, watched: Watched, changes: list[Change], now: int) -> None:
        """Keep what has changed for the next picture."""
        self._watched = watched
        self._recent.extend(change_line(each, self._instructions, now) for each in changes if each.what != "open")

    def lost(self, watched: Watched, now: int, *, first: bool) -> None:
        """Let the next picture say so."""
        self._watched = watched
        if first:
            self._recent.append(f"{clock_text(now)} source lost: {one_line(watched.lost or 'no answer')}")

    def back(self, watched: Watched, now: int) -> None:
        """Let the next picture say so."""
        self._watched = watched
        self._recent.append(f"{clock_text(now)} the source is back")

    def render(self) -> RenderableType:
        """Draw what is known now."""
        watched, now = self._watched, now_us()
        stale = watched.is_stale(now)
        head = Text(age_line(watched, self._source, now), PRIORITY_STYLES[1] if stale else "bold green")
        recent = Text("\n".join(self._recent), "dim")
        if watched.seen is None:
            return Group(head, recent)
        found = watched.found
        if not found.alarms:
            return Group(head, Text("no alarm was open then" if stale else "no open alarms"), recent)
        return Group(head, recent, list_table(found.alarms, self._instructions, now, found.telling, found.causes))
