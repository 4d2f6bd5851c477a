"""The checker of the soak finds what it is there to find."""

from __future__ import annotations

from collections.abc import Sequence

from hubwatch_core import wire
from support.soak_breaks import Mishap
from support.soak_check import Verdict, judge
from support.soak_devices import Given

EPOCH = "01JD3ZZZZZZZZZZZZZZZZZZZZZ"
SECOND_US = 1_000_000


def frame(
    seq: int, *counts: tuple[int, int], quality: wire.QualityMark = 0, events: Sequence[wire.Event] = ()
) -> wire.Frame:
    """A frame with counts and the seconds at which they were read."""
    series = [
        wire.Series(sensor="s", channel="n", t0=at * SECOND_US, dt=[0], x=[float(n)], q=[quality] if quality else [])
        for n, at in counts
    ]
    return wire.Frame(v=1, hub="h", agent="a", epoch=EPOCH, seq=seq, sent=0, series=series, events=list(events))


def verdict(given: int, frames: Sequence[wire.Frame], *hits: Mishap) -> Verdict:
    """Judge a device that handed out its n-th count at second n."""
    account = [Given(n, float(n)) for n in range(1, given + 1)]
    return judge({"s": account}, frames, {"s": list(hits)}, 0.0, 1e9)


def test_every_count_once_is_clean() -> None:
    assert verdict(3, [frame(n, (n, n)) for n in (1, 2, 3)]).clean


def test_nothing_at_all_is_not_clean() -> None:
    assert not verdict(0, []).clean


def test_count_that_does_not_come_is_lost() -> None:
    assert verdict(3, [frame(1, (1, 1)), frame(2, (3, 3))]).lost == 1


def test_count_handed_out_while_the_link_was_broken_is_excused_until_the_next_came() -> None:
    frames = [frame(1, (10, 10)), frame(2, (20, 20))]
    hit = Mishap("s", "cut", 11.5, 12.0)
    found = verdict(30, frames, hit)
    assert (found.excused, found.lost) == (9, 9 + 10), "from 11 to 19; neither before the first nor after the last"
    assert found.silence_device_s == 8.0


def test_same_frame_twice_is_one_and_same_count_in_two_frames_is_doubled() -> None:
    assert verdict(1, [frame(1, (1, 1)), frame(1, (1, 1))]).doubled == 0
    assert verdict(1, [frame(1, (1, 1)), frame(2, (1, 1))]).doubled == 1


def test_count_the_device_never_gave_is_corrupted() -> None:
    assert verdict(1, [frame(1, (1, 1), (65, 2))]).corrupted_taken == 1


def test_bad_reading_is_no_count() -> None:
    found = verdict(1, [frame(1, (1, 1)), frame(2, (65, 2), quality=2)])
    assert (found.corrupted_taken, found.taken) == (0, 1)


def test_gap_is_undeclared_until_an_event_declares_it() -> None:
    there = [frame(1, (1, 1)), frame(4, (2, 2))]
    assert verdict(2, there).undeclared == 2
    attrs = {"epoch": EPOCH, "first_seq": 2, "last_seq": 3}
    declaring = frame(5, events=[wire.Event(sensor="a", t=0, type="agent.evicted", attrs=attrs)])
    found = verdict(2, [*there, declaring])
    assert (found.undeclared, found.evicted) == (0, 2)
