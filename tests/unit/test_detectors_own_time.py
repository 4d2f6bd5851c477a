"""Our own clock: pauses and steps are told to the engine, steady time is not."""

from __future__ import annotations

import pytest

from hubwatch_detectors.journal import VERSION, Entry, Journal, Ticked, Withheld, judge_again, pack
from hubwatch_detectors.own_time import STEADY_US, WallClockGuard
from support.detectors_engine import EngineBench, series
from support.detectors_hub import AGENT, HUB, at

STEP_S = STEADY_US / 1e6


class Clock:
    """A clock that stands where it is told to."""

    def __init__(self, t: float) -> None:
        self.t = t

    def __call__(self) -> int:
        """Return the time in µs."""
        return at(self.t)


def watched() -> tuple[EngineBench, Clock, WallClockGuard]:
    """Return an engine with an agent that is heard at 1 s, by a clock that stands there."""
    bench, clock = EngineBench(), Clock(1)
    bench.birth()
    bench.send(1, series("rpm-1", "occupied", 0, 0))
    return bench, clock, WallClockGuard(Journal(bench.engine), clock)


def go(bench: EngineBench, clock: Clock, time: WallClockGuard, until: float) -> None:
    """Let time pass steadily."""
    while clock.t < until:
        clock.t = min(until, clock.t + 0.2)
        bench.found += bench.engine.tick(time.now())


def test_steady_time_leaves_silence_what_it_is() -> None:
    bench, clock, time = watched()
    go(bench, clock, time, 15.9)
    assert bench.types == []
    go(bench, clock, time, 16.3)
    assert bench.types == ["integrity.agent_offline"]


@pytest.mark.parametrize("jump", [600.0, STEP_S + 0.1, -0.5, -7200.0])
def test_after_a_pause_or_a_step_agents_get_their_time_anew(jump: float) -> None:
    bench, clock, time = watched()
    go(bench, clock, time, 14)
    clock.t += jump
    go(bench, clock, time, 14 + jump + 14.9)
    assert bench.types == []
    go(bench, clock, time, 14 + jump + 15.5)
    assert bench.types == ["integrity.agent_offline"]


def test_pause_is_told_once_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    bench, clock, time = watched()
    go(bench, clock, time, 5)
    clock.t += 60
    go(bench, clock, time, 70)
    said = [line for line in capsys.readouterr().out.splitlines() if "steadily" in line]
    assert len(said) == 1
    assert "60.2" in said[0]


def test_while_a_backlog_is_worked_off_nobody_is_called_away_and_afterwards_agents_get_their_time_anew() -> None:
    bench, clock, time = watched()
    go(bench, clock, time, 5)
    while clock.t < 60:
        clock.t += 0.2
        bench.found += bench.engine.tick(time.now(caught_up=False))
    go(bench, clock, time, 60 + 14.9)
    assert bench.types == []
    go(bench, clock, time, 60 + 15.5)
    assert bench.types == ["integrity.agent_offline"]


def test_batches_that_are_full_now_and_then_take_nothing_from_an_agents_silence() -> None:
    bench, clock, time = watched()
    for i in range(80):
        clock.t += 0.2
        bench.found += bench.engine.tick(time.now(caught_up=i % 5 == 0))
    assert bench.types == ["integrity.agent_offline"]


def test_agent_whose_last_will_came_is_away_even_while_we_do_not_keep_up() -> None:
    bench, clock, time = watched()
    clock.t += 60
    time.now(caught_up=False)
    bench.found += bench.engine.agent_state(HUB, AGENT, online=False, at=clock())
    assert bench.types == ["integrity.agent_offline"]


def test_agent_whose_frames_wait_to_be_judged_is_not_called_away_and_gets_its_time_anew() -> None:
    bench, clock, time = watched()
    journal = Journal(bench.engine)
    go(bench, clock, time, 14)
    journal.wait_for({(HUB, AGENT), (HUB, "nobody-we-know")}, clock())
    journal.wait_for({(HUB, AGENT)}, clock())
    go(bench, clock, time, 100)
    assert bench.types == []
    journal.wait_for(set(), clock())
    assert [type(each) for each in journal.taken()[HUB]] == [Withheld, Withheld]
    go(bench, clock, time, 114.9)
    assert bench.types == []
    go(bench, clock, time, 115.5)
    assert bench.types == ["integrity.agent_offline"]


def test_that_frames_waited_is_judged_again_the_same_way() -> None:
    bench, clock, time = watched()
    entries: dict[str, list[Entry]] = {
        HUB: [Withheld(AGENT, at(14), True), Ticked(at(60)), Withheld(AGENT, at(60), False), Ticked(at(74))]
    }
    for packed in pack(entries):
        bench.found += judge_again(bench.engine, packed.hub, VERSION, packed.entries)
    assert bench.types == []
    clock.t = 74
    time.now()
    go(bench, clock, time, 89.5)
    assert bench.types == ["integrity.agent_offline"]
