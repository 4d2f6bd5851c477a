from __future__ import annotations

import numpy as np

from hubwatch_store.series import NO_TIME, columns_of, joined
from support.store_examples import frame, series

IDS = {
    ("harbour", "gate-7", "rpm-2", "gamma.1"): ((NO_TIME, 7),),
    ("harbour", "gate-7", "rpm-2", "gamma.2"): ((NO_TIME, 8),),
}
T0 = 1_795_000_000_000_000


def test_readings_are_laid_out_in_order_with_null_as_nan() -> None:
    columns = columns_of([frame(1, series=[series(T0, [1.0, None, 3.0], q=[0, (2, "time out"), 1])])], IDS)
    assert columns.time.tolist() == [T0, T0 + 1000, T0 + 2000]
    assert columns.channel.tolist() == [7, 7, 7]
    assert np.isnan(columns.value).tolist() == [False, True, False]


def test_qualities_and_reasons_are_kept() -> None:
    one = series(T0, [1.0, 2.0, 3.0], q=[0, (2, "time out"), 1])
    columns = columns_of([frame(1, series=[one])], IDS)
    assert columns.quality.tolist() == [0, 2, 1]
    assert [columns.reasons[i] for i in columns.reason] == [None, "time out", None]


def test_device_times_are_absolute() -> None:
    columns = columns_of([frame(1, series=[series(T0, [1.0, 2.0], device=[-5, None])])], IDS)
    assert columns.device.tolist() == [T0 - 5, NO_TIME]


def test_no_frames_give_no_rows() -> None:
    assert len(columns_of([], IDS)) == 0
    assert len(columns_of([], IDS).newest()) == 0


def test_newest_is_by_time_not_by_order_of_arrival() -> None:
    later, earlier = series(T0 + 10, [5.0]), series(T0, [4.0])
    newest = columns_of([frame(1, series=[later]), frame(2, series=[earlier])], IDS).newest()
    assert newest.value.tolist() == [5.0]


def test_newest_of_equal_times_is_what_came_last() -> None:
    newest = columns_of([frame(1, series=[series(T0, [1.0]), series(T0, [2.0])])], IDS).newest()
    assert newest.value.tolist() == [2.0]


def test_newest_gives_one_row_a_channel() -> None:
    other = series(T0, [9.0, 8.0], channel="gamma.2")
    newest = columns_of([frame(1, series=[series(T0, [1.0, 2.0]), other])], IDS).newest()
    assert newest.channel.tolist() == [7, 8]
    assert newest.value.tolist() == [2.0, 8.0]


def test_joined_keeps_each_reason_with_its_row() -> None:
    first = columns_of([frame(1, series=[series(T0, [1.0], q=[(1, "warm-up")])])], IDS)
    second = columns_of([frame(1, series=[series(T0, [1.0, 2.0], q=[(2, "time out"), (1, "warm-up")])])], IDS)
    both = joined([first, second])
    assert [both.reasons[i] for i in both.reason] == ["warm-up", "time out", "warm-up"]
