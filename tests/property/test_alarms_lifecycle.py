"""The lifecycle against a model that keeps only the facts: which detections are open, who did what last."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hubwatch_alarms.lifecycle import MoveRefused, move
from hubwatch_alarms.triggers import (
    Acknowledge,
    Cleared,
    Close,
    Detected,
    ShelfExpired,
    Shelve,
    Trigger,
    Unshelve,
    Unwatched,
)
from hubwatch_core.alarm import SYSTEM, Action, Alarm, DetectedCondition, JournalEntry
from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import AlarmState
from support.alarms_examples import START_US, condition

PEOPLE = st.sampled_from(["kim", "lee"])


class Lifecycle(RuleBasedStateMachine):
    """Any order of detections, ends and people's moves, for any number of alarms of one condition in a row."""

    @initialize()
    def begin(self) -> None:
        self.alarm: Alarm | None = None
        self.journal: list[JournalEntry] = []
        self.now = START_US
        self.made = 0
        self.model_open: set[str] = set()
        self.model_priorities: list[int] = []
        self.model_holder: str | None = None
        self.model_shelved_until: int | None = None
        self.model_closed = False
        self.model_seen_to_go = False

    def apply(self, trigger: Trigger) -> tuple[JournalEntry, ...]:
        before = self.alarm
        self.alarm, entries = move(before, trigger)
        opened = [entry for entry in entries if entry.action is Action.OPENED]
        if opened:
            self.journal = []
        self.journal += entries
        return entries

    def must_refuse(self, trigger: Trigger) -> None:
        with pytest.raises(MoveRefused, match=r"alarm \d+ "):
            move(self.alarm, trigger)

    @rule(seconds=st.integers(min_value=1, max_value=900))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND_US

    @rule(priority=st.integers(1, 4), over=st.booleans(), late=st.booleans())
    def detected(self, priority: int, over: bool, late: bool) -> None:
        self.made += 1
        found = condition(number=self.made, start=self.now, priority=priority, over=over, late=late)
        if self.alarm is not None and self.model_closed and self.is_covered(found):
            entries = self.apply(Detected(self.now, found, new_id=self.made))
            assert [entry.action for entry in entries] == [Action.REPEATED]
            self.model_priorities.append(min(self.model_priorities))
            return
        if self.alarm is None or self.model_closed:
            self.model_open, self.model_priorities = set(), []
            self.model_holder = self.model_shelved_until = None
            self.model_closed = False
            new = True
        else:
            new = False
        urgent = not new and priority < min(self.model_priorities)
        shelved = self.model_shelved_until is not None
        if urgent:
            self.model_shelved_until = None
        if urgent or shelved:
            self.model_holder = None
        if not over:
            self.model_open.add(found.id)
        self.model_seen_to_go = not self.model_open
        self.model_priorities.append(priority)
        entries = self.apply(Detected(self.now, found, new_id=self.made))
        assert [entry.detection for entry in entries] == [found.id]
        assert (entries[0].action is Action.OPENED) == new
        assert (entries[0].action is Action.RAISED) == urgent
        assert ((entries[0].note or "").startswith("late")) == late

    def is_covered(self, found: DetectedCondition) -> bool:
        """Return whether the condition was known to be there for all the time of a late detection."""
        assert self.alarm is not None
        whole = found.end is not None and self.alarm.opened <= found.start and found.end <= self.alarm.last_active
        return found.late and whole

    @precondition(lambda self: self.alarm is not None and self.model_open)
    @rule(data=st.data())
    def cleared(self, data: st.DataObject) -> None:
        ended = data.draw(st.sampled_from(sorted(self.model_open)))
        self.model_open.discard(ended)
        entries = self.apply(Cleared(self.now, ended, self.now))
        assert (Action.RETURNED in [entry.action for entry in entries]) == (not self.model_open)
        self.model_seen_to_go = not self.model_open
        if not self.model_open and self.model_holder is not None and self.model_shelved_until is None:
            self.model_closed = True

    @precondition(lambda self: self.alarm is not None)
    @rule(by=PEOPLE)
    def acknowledge(self, by: str) -> None:
        trigger = Acknowledge(self.now, by)
        held_by_other = self.model_holder not in {None, by}
        if self.model_closed or self.model_shelved_until is not None or held_by_other:
            self.must_refuse(trigger)
            return
        entries = self.apply(trigger)
        assert bool(entries) == (self.model_holder is None)
        self.model_holder = by
        self.model_closed = not self.model_open

    @precondition(lambda self: self.alarm is not None)
    @rule(by=PEOPLE, seconds=st.integers(-10, 600))
    def shelve(self, by: str, seconds: int) -> None:
        trigger = Shelve(self.now, by, self.now + seconds * SECOND_US, "works")
        if self.model_closed or seconds <= 0:
            self.must_refuse(trigger)
            return
        self.apply(trigger)
        self.model_shelved_until = trigger.until

    @precondition(lambda self: self.alarm is not None)
    @rule(by=PEOPLE)
    def unshelve(self, by: str) -> None:
        trigger = Unshelve(self.now, by)
        if self.model_shelved_until is None:
            self.must_refuse(trigger)
            return
        self.apply(trigger)
        self.model_shelved_until = None
        self.model_holder = self.model_holder or by
        self.model_closed = not self.model_open

    @precondition(lambda self: self.alarm is not None)
    @rule()
    def shelf_looked_at(self) -> None:
        due = self.model_shelved_until is not None and self.model_shelved_until <= self.now
        entries = self.apply(ShelfExpired(self.now))
        assert bool(entries) == due
        if due:
            self.model_shelved_until = None
            if self.model_open:
                self.model_holder = None
            self.model_closed = not self.model_open and self.model_holder is not None

    @precondition(lambda self: self.alarm is not None)
    @rule(by=PEOPLE)
    def close(self, by: str) -> None:
        trigger = Close(self.now, by, "taken down")
        if self.model_closed:
            self.must_refuse(trigger)
            return
        (entry,) = self.apply(trigger)
        assert (entry.by, entry.note) == (by, "taken down")
        self.model_open, self.model_shelved_until, self.model_closed = set(), None, True

    @precondition(lambda self: self.alarm is not None)
    @rule()
    def nobody_watches_any_more(self) -> None:
        entries = self.apply(Unwatched(self.now, SYSTEM, "taken away"))
        assert bool(entries) == bool(self.model_open)
        if self.model_open:
            self.model_seen_to_go = True
            self.model_closed = self.model_holder is not None and self.model_shelved_until is None
        self.model_open = set()

    @invariant()
    def state_follows_from_the_facts(self) -> None:
        if self.alarm is None:
            return
        if self.model_closed:
            expected = AlarmState.NORMAL
        elif self.model_shelved_until is not None:
            expected = AlarmState.SHELVED
        elif not self.model_open:
            expected = AlarmState.RETURNED
        else:
            expected = AlarmState.UNACKNOWLEDGED if self.model_holder is None else AlarmState.ACKNOWLEDGED
        assert self.alarm.state is expected

    @invariant()
    def figures_follow_from_the_facts(self) -> None:
        alarm = self.alarm
        if alarm is None:
            return
        assert alarm.active == len(self.model_open)
        assert alarm.detections == len(self.model_priorities)
        assert alarm.priority == min(self.model_priorities)
        assert alarm.acknowledged_by == self.model_holder
        assert (alarm.acknowledged is None) == (self.model_holder is None)
        assert (alarm.returned is not None) == self.model_seen_to_go
        assert (alarm.closed is not None) == self.model_closed
        assert alarm.shelved_until == self.model_shelved_until
        assert alarm.opened <= alarm.last_active

    @invariant()
    def journal_is_one_unbroken_chain(self) -> None:
        if self.alarm is None:
            return
        assert [entry.action for entry in self.journal].count(Action.OPENED) == 1
        assert self.journal[0].from_state is None
        for before, after in itertools.pairwise(self.journal):
            assert after.from_state == before.to_state
            assert after.at >= before.at
        assert self.journal[-1].to_state == self.alarm.state
        actions = [entry.action for entry in self.journal]
        assert (Action.CLOSED in actions) == (self.alarm.state is AlarmState.NORMAL)
        if Action.CLOSED in actions:
            assert set(actions[actions.index(Action.CLOSED) + 1 :]) <= {Action.REPEATED}


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=150, stateful_step_count=40)
