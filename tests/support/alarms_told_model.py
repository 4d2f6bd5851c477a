"""The whole lifecycle on a real database, by two processes that die anywhere, against what people may expect.

People are told of everything that happened, of nothing twice unless it says that it may be a repeat, and step after
step until one of them has the alarm; then nobody any more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hubwatch_alarms import acts, incident_acts, suppressing
from hubwatch_alarms.lifecycle import MoveRefused
from hubwatch_alarms.sender import give_up_overdue, use_other_routes
from hubwatch_alarms.settings import ExpectingSection
from hubwatch_alarms.suppressing import Wish
from hubwatch_core.alarm import WAITING, Adjudication
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.permission import Actor
from hubwatch_core.words import AlarmState
from hubwatch_store.alarms import ExpectedKind, alarms
from hubwatch_store.database import DatabaseConnection
from support.alarms_database import Hands
from support.alarms_examples import detection
from support.alarms_two_processes import (
    DELAYED,
    DUTY,
    ESCALATED_PRIORITY,
    LATCHING,
    LEASE_S,
    PLAIN,
    REPEAT_S,
    ROUTES,
    STEP_S,
    AlarmProcess,
    Attempt,
    Cut,
    forget_all,
    pass_time,
)

TAKEN = DeliveryOutcome(DeliveryResult.DELIVERED, 204)
AWAY = DeliveryOutcome(DeliveryResult.TRANSIENT, None, "no answer")
REFUSED = DeliveryOutcome(DeliveryResult.REFUSED, 401, "HTTP 401: refused")

OURS = "01JD3Z%"
"""Of this form are the ids of a test's detections."""

HUB, SENSORS = "rotterdam", ("fence-1", "fence-2", "fence-3")
LEE = "lee"
WHO = st.integers(0, 1)
ROUTE = st.sampled_from(ROUTES)
PEOPLE = st.sampled_from(["kim", "ada"])
CUTS = st.builds(Cut, st.integers(1, 40), done=st.booleans())
SHORT_CUTS = st.builds(Cut, st.integers(1, 8), done=st.booleans())


@dataclass
class World:
    """What lasts from one example to the next: the loop, the processes and their database."""

    runner: asyncio.Runner
    hands: Hands
    processes: list[AlarmProcess]


@dataclass
class Heard:
    """What has reached people, by the messages that it told of."""

    reached: Counter[str] = field(default_factory=Counter)
    known_delivered: set[str] = field(default_factory=set)
    """What a process has written down as delivered: it is never sent again."""


class WhoIsTold(RuleBasedStateMachine):
    """Any order of detections, ends, people's moves, rounds, attempts, deaths and passing time."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.hands = self.world.hands
        forget_all(self.hands)
        self.hands.rows("INSERT INTO hubs (hub) VALUES (%s) ON CONFLICT DO NOTHING RETURNING hub", HUB)
        self.hands.rows(
            "INSERT INTO sensors (hub, sensor, zone) SELECT %s, unnest(%s::text[]), 'north'"
            " ON CONFLICT DO NOTHING RETURNING sensor",
            HUB, list(SENSORS),
        )  # fmt: skip
        for process in self.world.processes:
            process.begin_anew()
        self.found: list[str] = []
        self.ended: set[str] = set()
        self.heard = Heard()

    def run(self, work: Awaitable[object]) -> object:
        async def whole() -> object:
            return await work

        return self.world.runner.run(whole())

    def process(self, who: int) -> AlarmProcess:
        return self.world.processes[who]

    @property
    def on_the_way(self) -> list[tuple[AlarmProcess, Attempt]]:
        return [(process, each) for process in self.world.processes for each in process.on_the_way]

    # -- what happens at the hub

    @rule(sensor=st.integers(1, 3), priority=st.integers(1, 3), type_=st.sampled_from([PLAIN, DELAYED, LATCHING]))
    def detected(self, sensor: int, priority: int, type_: str = PLAIN) -> None:
        number, start = len(self.found) + 1, now_us() - SECOND_US
        found = detection(number=number, sensor=f"fence-{sensor}", priority=priority, start=start, type_=type_)
        self.hands.detect(found)
        self.found.append(found.id)

    @precondition(lambda self: len(self.ended) < len(self.found))
    @rule(data=st.data())
    def condition_goes(self, data: st.DataObject) -> None:
        found = data.draw(st.sampled_from([each for each in self.found if each not in self.ended]))
        self.ended.add(found)
        self.hands.end(found, now_us())

    @rule(seconds=st.sampled_from([5, 61, STEP_S, REPEAT_S, int(LEASE_S) + 60]))
    def time_passes(self, seconds: int) -> None:
        pass_time(self.hands, seconds)

    # -- what people do

    def act(self, who: int, name: str, what: Callable[[DatabaseConnection, Actor], Awaitable[object]]) -> None:
        async def whole() -> None:
            try:
                async with alarms.moving(self.process(who).pool) as connection:
                    await what(connection, Actor(name, verified=False))
            except MoveRefused:
                return

        self.run(whole())

    @precondition(lambda self: self.hands.alarms())
    @rule(who=WHO, name=PEOPLE, data=st.data())
    def acknowledge(self, who: int, name: str, data: st.DataObject) -> None:
        alarm = data.draw(st.sampled_from([row["id"] for row in self.hands.alarms()]))
        self.takes(who, name, alarm)

    def takes(self, who: int, name: str, alarm: int) -> None:
        self.act(who, name, lambda connection, person: acts.acknowledge(connection, person, alarm, None))

    @precondition(lambda self: self.hands.alarms())
    @rule(who=WHO, name=PEOPLE, data=st.data())
    def shelve(self, who: int, name: str, data: st.DataObject) -> None:
        alarm = data.draw(st.sampled_from([row["id"] for row in self.hands.alarms()]))
        self.act(
            who, name,
            lambda connection, person: acts.shelve(connection, person, alarm, 600, "works", agreed_by=LEE),
        )  # fmt: skip

    @precondition(lambda self: self.shelved())
    @rule(who=WHO, name=PEOPLE, data=st.data())
    def unshelve(self, who: int, name: str, data: st.DataObject) -> None:
        alarm = data.draw(st.sampled_from(self.shelved()))
        self.act(who, name, lambda connection, person: acts.unshelve(connection, person, alarm, None))

    def shelved(self) -> list[int]:
        return [row["id"] for row in self.hands.alarms() if row["state"] == AlarmState.SHELVED]

    @rule(
        who=WHO, name=PEOPLE, sensor=st.sampled_from(SENSORS),
        kind=st.sampled_from([ExpectedKind.WORKS, ExpectedKind.OUT_OF_SERVICE]),
    )  # fmt: skip
    def works_begin(self, who: int, name: str, sensor: str, kind: ExpectedKind) -> None:
        wish = Wish(kind, HUB, "new posts", 1800, sensor=sensor)
        limits = ExpectingSection()
        self.act(
            who, name,
            lambda connection, person: suppressing.expect(connection, person, wish, limits, agreed_by=LEE),
        )  # fmt: skip

    @precondition(lambda self: self.works())
    @rule(who=WHO, data=st.data())
    def works_end(self, who: int, data: st.DataObject) -> None:
        self.lift(who, data.draw(st.sampled_from(self.works())))

    def lift(self, who: int, number: int) -> None:
        self.act(who, LEE, lambda connection, person: suppressing.lift(connection, person, number))

    def works(self) -> list[int]:
        # What is just ending may be over before it is lifted.
        query = "SELECT id FROM alarm_suppression WHERE lifted IS NULL AND ends > clock_timestamp() + INTERVAL '5 min'"
        return [row["id"] for row in self.hands.rows(f"{query} ORDER BY id")]

    def incidents(self) -> list[int]:
        return [row["id"] for row in self.hands.rows("SELECT id FROM incidents WHERE closed IS NULL ORDER BY id")]

    @precondition(lambda self: self.incidents())
    @rule(who=WHO, name=PEOPLE, data=st.data())
    def acknowledge_incident(self, who: int, name: str, data: st.DataObject) -> None:
        incident = data.draw(st.sampled_from(self.incidents()))
        self.act(who, name, lambda connection, person: acts.acknowledge_incident(connection, person, incident, None))

    @precondition(lambda self: self.incidents())
    @rule(who=WHO, name=PEOPLE, data=st.data())
    def comment(self, who: int, name: str, data: st.DataObject) -> None:
        incident = data.draw(st.sampled_from(self.incidents()))
        self.act(who, name, lambda connection, person: incident_acts.comment(connection, person, incident, "seen"))

    @precondition(lambda self: self.incidents())
    @rule(who=WHO, name=PEOPLE, data=st.data())
    def close_incident(self, who: int, name: str, data: st.DataObject) -> None:
        incident = data.draw(st.sampled_from(self.incidents()))
        self.act(
            who, name,
            lambda connection, person: incident_acts.close(
                connection, person, incident, Adjudication.FALSE, None, end_alarms=True
            ),
        )  # fmt: skip

    @precondition(lambda self: self.hands.alarms())
    @rule(who=WHO, name=PEOPLE, data=st.data())
    def close(self, who: int, name: str, data: st.DataObject) -> None:
        alarm = data.draw(st.sampled_from([row["id"] for row in self.hands.alarms()]))
        self.act(who, name, lambda connection, person: acts.close(connection, person, alarm, "taken down"))

    # -- what the processes do

    @rule(who=WHO)
    def round(self, who: int) -> None:
        self.run(self.process(who).round())

    @rule(cut=CUTS, who=WHO)
    def round_that_dies(self, who: int, cut: Cut) -> None:
        process = self.process(who)
        self.run(process.cut_during(process.round(), cut))

    @rule(cut=CUTS)
    def rounds_at_once_of_which_one_dies(self, cut: Cut) -> None:
        first, second = self.world.processes
        self.run(_both(first.cut_during(first.round(), cut), second.round()))

    @rule(who=WHO, route=ROUTE)
    def begin_sending(self, who: int, route: str) -> None:
        process = self.process(who)
        if self.run(process.begin_sending(route)):
            self.must_be_to_send(process.on_the_way[-1])

    @rule(route=ROUTE)
    def both_begin_sending(self, route: str) -> None:
        for who in (0, 1):
            self.begin_sending(who, route)

    @rule(who=WHO, route=ROUTE, cut=SHORT_CUTS)
    def sending_that_dies_before_it_begins(self, who: int, route: str, cut: Cut) -> None:
        process = self.process(who)
        if self.run(process.cut_during(process.begin_sending(route), cut)) and process.on_the_way:
            self.must_be_to_send(process.on_the_way[-1])

    @precondition(lambda self: self.on_the_way)
    @rule(data=st.data(), outcome=st.sampled_from([TAKEN, TAKEN, AWAY, REFUSED]), reached=st.booleans())
    def answered(self, data: st.DataObject, outcome: DeliveryOutcome, reached: bool) -> None:
        process, attempt = data.draw(st.sampled_from(self.on_the_way))
        if outcome is TAKEN or (outcome is AWAY and reached):
            self.reaches(attempt)
        self.run(process.answered(attempt, outcome))
        if outcome is TAKEN:
            self.heard.known_delivered |= tells(attempt)

    @precondition(lambda self: self.on_the_way)
    @rule(data=st.data(), cut=SHORT_CUTS)
    def answered_and_died_before_that_was_written(self, data: st.DataObject, cut: Cut) -> None:
        process, attempt = data.draw(st.sampled_from(self.on_the_way))
        self.reaches(attempt)
        if self.run(process.answered(attempt, TAKEN, cut)):
            self.heard.known_delivered |= tells(attempt)

    @precondition(lambda self: self.on_the_way)
    @rule(data=st.data(), reached=st.booleans())
    def died_while_sending(self, data: st.DataObject, reached: bool) -> None:
        process, attempt = data.draw(st.sampled_from(self.on_the_way))
        if reached:
            self.reaches(attempt)
        self.run(process.die_with(attempt))

    @rule(who=WHO)
    def sweep(self, who: int) -> None:
        outbox = self.process(who).outbox
        self.run(give_up_overdue(outbox))
        self.run(use_other_routes(outbox, [DUTY.name]))

    # -- what people may expect

    def must_be_to_send(self, attempt: Attempt) -> None:
        again = tells(attempt) & self.heard.known_delivered
        assert not again, f"sent again although it is known to be delivered: {again}"
        if attempt.message.person is not None:
            assert attempt.message.alarm.state in WAITING, "told although a person has it"

    def reaches(self, attempt: Attempt) -> None:
        before = {each for each in tells(attempt) if self.heard.reached[each]}
        assert not before or attempt.message.attempt > 1, "a repeat that does not say so"
        self.heard.reached.update(tells(attempt))

    @invariant()
    def each_detection_is_of_one_alarm_and_in_its_journal_once(self) -> None:
        # Bursts of shelving are detections that nobody here has made.
        bound = self.hands.rows("SELECT detection FROM alarm_detection WHERE detection LIKE %s", OURS)
        waiting = self.hands.rows("SELECT detection FROM alarm_inbox WHERE NOT ended AND detection LIKE %s", OURS)
        delayed = self.hands.rows(
            "SELECT detection FROM alarm_delayed WHERE outcome IS DISTINCT FROM 'alarmed' AND detection LIKE %s", OURS
        )
        assert sorted(row["detection"] for row in bound + waiting + delayed) == self.found
        told = self.hands.rows(
            "SELECT detection FROM alarm_journal WHERE detection LIKE %s AND action NOT IN ('returned', 'closed')", OURS
        )
        assert sorted(row["detection"] for row in told) == sorted(row["detection"] for row in bound)

    @invariant()
    def machine_closes_no_incident_of_which_somebody_has_said_something(self) -> None:
        assert self.hands.rows("SELECT id FROM incidents WHERE closed IS NOT NULL AND comments > 0") == []

    @invariant()
    def incident_with_an_open_alarm_is_open(self) -> None:
        closed = "SELECT id FROM incidents WHERE closed IS NOT NULL"
        assert self.hands.rows(f"SELECT id FROM alarms WHERE closed IS NULL AND incident IN ({closed})") == []

    @invariant()
    def nothing_known_to_be_delivered_waits(self) -> None:
        states = {row["id"]: row["state"] for row in self.hands.outbox()}
        assert {states[each] for each in self.heard.known_delivered} <= {"delivered"}

    @invariant()
    def who_has_an_alarm_ends_its_escalation(self) -> None:
        if self.hands.rows("SELECT 1 FROM alarm_unrouted UNION ALL SELECT 1 FROM alarm_inbox"):
            return
        escalated = {row["alarm"] for row in self.hands.rows("SELECT alarm FROM alarm_escalation")}
        for row in self.hands.alarms():
            waits = AlarmState(row["state"]) in WAITING
            if waits and row["priority"] <= ESCALATED_PRIORITY:
                assert row["id"] in escalated, f"nobody is told next of {row['id']}"
            if not waits:
                assert row["id"] not in escalated, f"{row['id']} is still escalated"
        queued = self.hands.rows("SELECT alarm FROM notification_outbox WHERE escalation <> '' AND state = 'waiting'")
        assert {row["alarm"] for row in queued} <= escalated

    def teardown(self) -> None:
        """Let all processes die once more, and then everything work: all that is to be told is told."""
        try:
            for process, attempt in self.on_the_way:
                self.run(process.die_with(attempt))
            for number in self.works():
                self.lift(0, number)
            self.settle()
            self.each_detection_is_of_one_alarm_and_in_its_journal_once()
            self.nothing_is_lost()
            self.it_goes_on_until_a_person_has_it()
        finally:
            for process, attempt in self.on_the_way:
                self.run(process.die_with(attempt))

    def settle(self) -> None:
        self.run(self.process(0).round())  # whose time to wait begins when they are taken
        pass_time(self.hands, int(LEASE_S) + 60)
        for each in self.world.processes:
            self.run(each.round())
        for _ in range(500):
            if not sum(self.sends_one(route) for route in ROUTES):
                return
        raise AssertionError("there is no end to what is sent")

    def sends_one(self, route: str) -> bool:
        process = self.process(0)
        if not self.run(process.begin_sending(route)):
            return False
        attempt = process.on_the_way[-1]
        self.must_be_to_send(attempt)
        self.reaches(attempt)
        self.run(process.answered(attempt, TAKEN))
        self.heard.known_delivered |= tells(attempt)
        pass_time(self.hands, 61)
        return True

    def nothing_is_lost(self) -> None:
        assert self.hands.rows("SELECT 1 FROM alarm_unrouted UNION ALL SELECT 1 FROM alarm_inbox") == []
        rows = self.hands.outbox()
        assert {row["state"] for row in rows} <= {"delivered", "withdrawn"}
        assert {row["id"] for row in rows if row["state"] == "delivered"} <= self.heard.reached.keys()
        assert self.hands.rows("SELECT detection FROM alarm_delayed WHERE outcome IS NULL") == []
        # Nobody hears of what is back with whoever has it, nor of what came and went while it was expected.
        wanted = self.hands.rows(
            "SELECT j.id FROM alarm_journal j WHERE action = ANY (%s)"
            " AND NOT (action = 'released' AND to_state = 'normal')"
            " AND NOT (action IN ('released', 'shelf_expired') AND to_state = 'acknowledged')"
            " AND EXISTS (SELECT FROM alarm_journal e WHERE e.alarm = j.alarm AND e.id <= j.id"
            " AND e.to_state NOT IN ('suppressed', 'out_of_service', 'normal'))",
            list(DUTY.on),
        )
        told = [row["journal"] for row in rows if row["route"] == DUTY.name]
        assert sorted(told) == sorted(set(told)), "two messages about one thing"
        assert {row["id"] for row in wanted} <= set(told), "a thing that nobody is told of"

    def it_goes_on_until_a_person_has_it(self) -> None:
        waiting = {row["alarm"] for row in self.hands.rows("SELECT alarm FROM alarm_escalation")}
        before = self.steps_told()
        pass_time(self.hands, REPEAT_S + 1)
        self.run(self.process(1).round())
        after = self.steps_told()
        assert {alarm for alarm in waiting if after[alarm] != before[alarm] + 1} == set(), "nobody was told next"
        for alarm in waiting:
            self.takes(0, "kim", alarm)
        self.settle()
        self.settle()
        assert self.steps_told() == after, "told on although a person has it"

    def steps_told(self) -> Counter[int]:
        return Counter(
            row["alarm"] for row in self.hands.rows("SELECT alarm FROM alarm_journal WHERE action = 'escalated'")
        )


async def _both(one: Awaitable[object], other: Awaitable[object]) -> None:
    await asyncio.gather(one, other)


def tells(attempt: Attempt) -> set[str]:
    """Return the messages of which an attempt tells."""
    return {attempt.message.id, *attempt.message.carries}
