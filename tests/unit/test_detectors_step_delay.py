"""Whose sign it is at a step of a lane, by the delays that are usual there."""

from __future__ import annotations

import msgspec

from hubwatch_core.clock import SECOND_US
from hubwatch_detectors.step_delay import MANY_TOLD, MIN_PAIRS, StepDelay

DUE_S = 70


def learned(*delays: float) -> StepDelay:
    delay = StepDelay()
    for i, seconds in enumerate(delays):
        take(delay, [1000.0 * i], 1000 * i + seconds)
    return delay


def take(delay: StepDelay, waiting: list[float], t: float) -> int:
    return delay.take([round(since * SECOND_US) for since in waiting], round(t * SECOND_US))


def miss(delay: StepDelay, since: float) -> None:
    delay.miss(round(since * SECOND_US), round((since + DUE_S) * SECOND_US))


def test_vehicle_that_waits_for_longer_than_is_usual_is_passed_over() -> None:
    delay = learned(*[20.0, 22.0, 18.0, 21.0] * 10)
    assert take(delay, [0, 10], 25) == 0
    assert take(delay, [0, 15], 38) == 1
    assert take(delay, [0, 1], 200) == 0


def test_signs_count_in_the_order_of_the_line_until_delays_are_known_or_where_they_scatter() -> None:
    assert take(learned(*[20.0] * (MIN_PAIRS - 1)), [0, 15], 38) == 0
    assert take(learned(*[5.0, 20.0, 80.0] * 10), [0, 100], 150) == 0


def test_delays_are_no_longer_trusted_where_vehicles_told_to_be_missing_come_after_all() -> None:
    delay = learned(*[20.0] * 40)
    for since in (0, 100):
        miss(delay, since)
        assert delay.surplus((since + DUE_S + 30) * SECOND_US)
    assert take(delay, [0, 15], 38) == 0
    for i in range(20):
        miss(delay, 1000 * i)
    assert take(delay, [0, 15], 38) == 1


def test_sign_long_after_a_vehicle_was_told_is_not_of_it() -> None:
    delay = StepDelay()
    assert not delay.surplus(5)
    miss(delay, 0)
    assert delay.surplus(2 * DUE_S * SECOND_US)
    assert not delay.surplus(2 * DUE_S * SECOND_US + 1)


def test_what_is_kept_stays_small_and_comes_back() -> None:
    delay = learned(*[20.0] * 10_000)
    for i in range(10_000):
        miss(delay, i)
    assert delay.told <= MANY_TOLD
    assert len(msgspec.msgpack.encode(delay)) < 150
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(delay), type=StepDelay) == delay
