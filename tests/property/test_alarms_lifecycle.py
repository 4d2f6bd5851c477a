"""The lifecycle against a model that keeps only the facts: which detections are open, who did what last."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hubwatch_alarms.lifecycle import CHATTER_US, QUIET_US, MoveRefused, move
from hubwatch_alarms.triggers import (
    Acknowledge,
    Aside,
    Cleared,
    Close,
    Detected,
    OffDelayOver,
    Overdue,
    Release,
    ShelfExpired,
    Shelve,
    Suppress,
    Trigger,
    TypeRules,
    Unshelve,
    Unwatched,
)
from hubwatch_core.alarm import SYSTEM, Action, Alarm, DetectedCondition, JournalEntry
from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import AlarmState
from support.alarms_examples import START_US, condition

PEOPLE = st.sampled_from(["kim", "lee"])
ASIDES = st.sampled_from(
    [Aside(AlarmState.SUPPRESSED, "works 1"), Aside(AlarmState.OUT_OF_SERVICE, "out of service 2")]
)
OFTEN_NOT = st.sampled_from([False, False, False, True])
RULES = st.builds(
    TypeRules,
    off_delay_us=st.sampled_from([0, 60 * SECOND_US]),
    latching=st.booleans(),
    realarm_us=st.sampled_from([0, 300 * SECOND_US]),
)


class Lifecycle(RuleBasedStateMachine):
    """Any order of detections, ends and people's moves, for any number of alarms of one condition in a row."""

    @initialize(rules=RULES)
    def begin(self, rules: TypeRules) -> None:
        self.type_rules = rules
        self.alarm: Alarm | None = None
        self.journal: list[JournalEntry] = []
        self.now = START_US
        self.made = 0
        self.model_open: set[str] = set()
        self.model_priorities: list[int] = []
        self.model_holder: str | None = None
        self.model_shelved_until: int | None = None
        self.model_aside: AlarmState | None = None
        self.model_unseen = False
        self.model_returns_at: int | None = None
        self.model_closed = False
        self.model_seen_to_go = False

    def apply(self, trigger: Trigger) -> tuple[JournalEntry, ...]:
        before = self.alarm
        self.alarm, entries = move(before, trigger, self.type_rules)
        opened = [entry for entry in entries if entry.action is Action.OPENED]
        if opened:
            self.journal = []
        self.journal += entries
        return entries

    @property
    def stands(self) -> bool:
        """Return whether there is an open alarm: of a closed one the table of the reference has every move."""
        return self.alarm is not None and not self.model_closed

    def must_refuse(self, trigger: Trigger) -> None:
        with pytest.raises(MoveRefused, match=r"alarm \d+ "):
            move(self.alarm, trigger, self.type_rules)

    @rule(seconds=st.sampled_from([1, 10, 59, 61, 200, 301, 900, 3601]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND_US

    @rule(priority=st.integers(1, 4), over=OFTEN_NOT, late=OFTEN_NOT, aside=st.one_of(st.none(), st.none(), ASIDES))
    def detected(self, priority: int, over: bool, late: bool, aside: Aside | None) -> None:
        self.made += 1
        found = condition(number=self.made, start=self.now, priority=priority, over=over, late=late)
        trigger = Detected(self.now, found, new_id=self.made, aside=aside)
        if self.alarm is not None and self.model_closed and (self.is_covered(found) or self.is_back(trigger)):
            self.detected_of_a_closed_one(trigger)
            return
        new = self.alarm is None or self.model_closed
        if new:
            self.model_open, self.model_priorities = set(), []
            self.model_holder = self.model_shelved_until = self.model_returns_at = None
            self.model_closed = False
            self.model_aside = None if aside is None else aside.state
            self.model_unseen = aside is not None
        covered = aside is not None and aside.state is self.model_aside
        urgent = not new and priority < min(self.model_priorities) and not covered
        if urgent or self.model_shelved_until is not None or self.model_aside is not None:
            self.model_holder = None
        if urgent:
            self.model_shelved_until = self.model_aside = None
            self.model_unseen = False
        if not over:
            self.model_open.add(found.id)
            self.model_returns_at = None
        self.model_seen_to_go = not self.model_open and self.model_returns_at is None
        self.model_priorities.append(priority)
        entries = self.apply(trigger)
        assert [entry.detection for entry in entries] == [found.id]
        assert (entries[0].action is Action.OPENED) == new
        assert (entries[0].action is Action.RAISED) == urgent
        if not (new and aside is not None):
            assert ((entries[0].note or "").startswith("late")) == late

    def detected_of_a_closed_one(self, trigger: Detected) -> None:
        """A late one that people knew of, or a condition that is back: never a new alarm, and nobody is told."""
        found, covered = trigger.detection, self.is_covered(trigger.detection)
        (entry,) = self.apply(trigger)
        self.model_priorities.append(min(self.model_priorities) if covered else found.priority)
        if covered or found.end is not None:
            assert entry.action is Action.REPEATED
            return
        assert (entry.action, entry.to_state) == (Action.REOPENED, AlarmState.ACKNOWLEDGED)
        self.model_open, self.model_closed, self.model_seen_to_go = {found.id}, False, False

    def is_back(self, trigger: Detected) -> bool:
        """Return whether the condition is back soon after somebody had it, and is none that is always told."""
        alarm, found = self.alarm, trigger.detection
        assert alarm is not None
        assert alarm.closed is not None
        if found.late or trigger.aside is not None or self.model_holder is None or not self.model_seen_to_go:
            return False
        grave = min(self.model_priorities) == 1 or found.priority < min(self.model_priorities)
        soon = self.now - alarm.closed < QUIET_US and self.now - alarm.last_active < QUIET_US
        return soon and not grave and self.now - (alarm.acknowledged or 0) < CHATTER_US

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
        is_aside = self.model_shelved_until is not None or self.model_aside is not None
        if not self.model_open and self.type_rules.off_delay_us and not is_aside:
            assert entries == ()
            self.model_returns_at = self.now + self.type_rules.off_delay_us
            return
        assert (Action.RETURNED in [entry.action for entry in entries]) == (not self.model_open)
        if not self.model_open:
            self.goes()

    def goes(self) -> None:
        """The condition has gone: the alarm closes if somebody has it, unless its type latches."""
        self.model_seen_to_go, self.model_returns_at = True, None
        is_aside = self.model_shelved_until is not None or self.model_aside is not None
        self.model_closed = self.model_holder is not None and not is_aside and not self.type_rules.latching

    @precondition(lambda self: self.stands)
    @rule(aside=ASIDES)
    def suppress(self, aside: Aside) -> None:
        entries = self.apply(Suppress(self.now, aside))
        assert bool(entries) == (not self.model_closed and self.model_aside is not aside.state)
        if entries:
            self.model_aside, self.model_shelved_until = aside.state, None
            self.settles()

    @precondition(lambda self: self.alarm is not None and self.model_aside is not None)
    @rule()
    def release(self) -> None:
        entries = self.apply(Release(self.now, "works 1 is over"))
        assert bool(entries) == (self.model_aside is not None and not self.model_closed)
        if not entries:
            return
        self.model_aside = None
        if self.model_open:
            self.model_holder = None
        else:
            taken = self.model_holder is not None
            self.model_closed = (taken and not self.type_rules.latching) or (not taken and self.model_unseen)
        self.model_unseen = False

    def settles(self) -> None:
        """What is set aside does not wait for its condition to come back."""
        if self.model_returns_at is not None:
            self.model_returns_at, self.model_seen_to_go = None, True

    @precondition(lambda self: self.stands)
    @rule(by=PEOPLE)
    def acknowledge(self, by: str) -> None:
        trigger = Acknowledge(self.now, by)
        is_aside = self.model_shelved_until is not None or self.model_aside is not None
        resets = self.model_holder is not None and self.model_seen_to_go
        held_by_other = self.model_holder not in {None, by} and not resets
        if self.model_closed or is_aside or held_by_other:
            self.must_refuse(trigger)
            return
        entries = self.apply(trigger)
        assert bool(entries) == (self.model_holder is None or resets)
        self.model_holder = by
        self.model_closed = self.model_seen_to_go and (resets or not self.type_rules.latching)

    @precondition(lambda self: self.stands)
    @rule(by=PEOPLE, seconds=st.integers(-10, 600))
    def shelve(self, by: str, seconds: int) -> None:
        trigger = Shelve(self.now, by, self.now + seconds * SECOND_US, "works")
        if self.model_closed or seconds <= 0 or self.model_aside is not None:
            self.must_refuse(trigger)
            return
        self.apply(trigger)
        self.model_shelved_until = trigger.until
        self.settles()

    @precondition(lambda self: self.stands and self.model_shelved_until is not None)
    @rule(by=PEOPLE)
    def unshelve(self, by: str) -> None:
        trigger = Unshelve(self.now, by)
        if self.model_shelved_until is None:
            self.must_refuse(trigger)
            return
        self.apply(trigger)
        self.model_shelved_until = None
        self.model_holder = self.model_holder or by
        self.model_closed = not self.model_open and not self.type_rules.latching

    @precondition(lambda self: self.alarm is not None)
    @rule()
    def clock_is_looked_at(self) -> None:
        self.shelf_looked_at()
        self.off_delay_looked_at()
        self.looked_whether_somebody_has_it()

    def shelf_looked_at(self) -> None:
        due = self.model_shelved_until is not None and self.model_shelved_until <= self.now
        entries = self.apply(ShelfExpired(self.now))
        assert bool(entries) == due
        if due:
            self.model_shelved_until = None
            if self.model_open:
                self.model_holder = None
            taken = self.model_holder is not None
            self.model_closed = not self.model_open and taken and not self.type_rules.latching

    def off_delay_looked_at(self) -> None:
        due = self.model_returns_at is not None and self.model_returns_at <= self.now
        entries = self.apply(OffDelayOver(self.now))
        assert bool(entries) == due
        if due:
            self.goes()

    def looked_whether_somebody_has_it(self) -> None:
        assert self.alarm is not None
        due = self.alarm.realarm is not None and self.alarm.realarm <= self.now
        entries = self.apply(Overdue(self.now))
        assert [entry.action for entry in entries] == [Action.REALARMED] * due

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
        self.model_aside = self.model_returns_at = None

    @precondition(lambda self: self.stands)
    @rule()
    def nobody_watches_any_more(self) -> None:
        entries = self.apply(Unwatched(self.now, SYSTEM, "taken away"))
        assert bool(entries) == bool(self.model_open)
        if self.model_open:
            self.goes()
        self.model_open = set()

    @invariant()
    def state_follows_from_the_facts(self) -> None:
        if self.alarm is None:
            return
        if self.model_closed:
            expected = AlarmState.NORMAL
        elif self.model_aside is not None:
            expected = self.model_aside
        elif self.model_shelved_until is not None:
            expected = AlarmState.SHELVED
        elif self.model_seen_to_go and self.model_holder is None:
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
        assert alarm.returns_at == self.model_returns_at
        assert alarm.unseen == self.model_unseen
        waits = alarm.state in {AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED}
        assert (alarm.realarm is not None) == (waits and self.type_rules.realarm_us > 0)

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
        turns = [action for action in actions if action in {Action.OPENED, Action.REOPENED, Action.CLOSED}]
        assert turns == ([Action.OPENED, *[Action.CLOSED, Action.REOPENED] * len(turns)])[: len(turns)]
        assert (turns[-1] is Action.CLOSED) == (self.alarm.state is AlarmState.NORMAL)
        if turns[-1] is Action.CLOSED:
            last = max(place for place, action in enumerate(actions) if action is Action.CLOSED)
            assert set(actions[last + 1 :]) <= {Action.REPEATED}


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=200, stateful_step_count=50)
