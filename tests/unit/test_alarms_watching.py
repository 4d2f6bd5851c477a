"""What somebody who watches is shown: changes, age, and that a source is lost."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from hubwatch_alarms.console_watch import LiveTable, age_line, change_line
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.views import AlarmList
from hubwatch_alarms.watching import Change, Watched
from hubwatch_core.alarm import Alarm
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.words import AlarmState
from support.alarms_examples import START_US, alarm

INSTRUCTIONS = Instructions.load()
FIRST, SECOND = alarm(), replace(alarm(), id=42, sensor="rpm-3")
HELD = alarm(state=AlarmState.ACKNOWLEDGED, acknowledged_by="kim")


def seen(*found: Alarm, more: int = 0) -> AlarmList:
    return AlarmList(found, {}, more)


def whats(changes: Sequence[Change]) -> list[tuple[str, int]]:
    return [(each.what, each.alarm.id) for each in changes]


def test_each_look_says_what_has_changed_since_the_one_before() -> None:
    watched = Watched()
    assert whats(watched.look(seen(FIRST), START_US)) == [("open", 41)]
    assert whats(watched.look(seen(FIRST, SECOND), START_US)) == [("new", 42)]
    assert whats(watched.look(seen(HELD, SECOND), START_US)) == [("acknowledged", 41)]
    assert whats(watched.look(seen(replace(HELD, priority=2), SECOND), START_US)) == [("acknowledged", 41)]
    assert whats(watched.look(seen(replace(SECOND, state=AlarmState.RETURNED)), START_US)) == [
        ("changed", 42),
        ("closed", 41),
    ]
    assert watched.look(watched.found, START_US) == []


def test_alarm_that_a_cut_list_does_not_show_is_not_called_closed() -> None:
    watched = Watched()
    watched.look(seen(FIRST, SECOND), START_US)
    assert watched.look(seen(SECOND, more=1), START_US) == []


def test_age_is_always_said_and_old_or_lost_is_never_called_live() -> None:
    watched = Watched()
    assert age_line(watched, "the hub", START_US).startswith("NOTHING SEEN YET")
    watched.look(seen(FIRST), START_US)
    assert age_line(watched, "the hub", START_US + SECOND_US).startswith("live from the hub, as of ")
    assert "1 s old" in age_line(watched, "the hub", START_US + SECOND_US)
    stale = age_line(watched, "the hub", START_US + 45 * SECOND_US)
    assert stale.startswith("SOURCE LOST")
    assert "45 s old" in stale
    watched.lost = "connection\nrefused"
    assert age_line(watched, "the hub", START_US + SECOND_US).startswith("SOURCE LOST")
    assert "\n" not in age_line(watched, "the hub", START_US + SECOND_US)


def test_change_is_one_line_that_says_what_where_and_who_has_it() -> None:
    line = change_line(Change("acknowledged", HELD), INSTRUCTIONS, START_US)
    assert line.endswith(
        "acknowledged: alarm 41, CRITICAL, Gamma alarm at a portal, rotterdam / gate-2 / rpm-2, with kim"
    )
    made_up = change_line(Change("new", replace(HELD, exercise=3)), INSTRUCTIONS, START_US)
    assert "CRITICAL, EXERCISE: Gamma alarm at a portal" in made_up


def test_picture_goes_on_to_age_and_calls_no_old_list_calm() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    table, watched = LiveTable(console, "the hub", INSTRUCTIONS), Watched()
    watched.look(seen(), now_us() - 60 * SECOND_US)
    table.changed(watched, [], now_us())
    console.print(table.render())
    shown = console.export_text()
    assert "SOURCE LOST" in shown
    assert "no open alarms" not in shown
