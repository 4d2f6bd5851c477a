from __future__ import annotations

import pytest

from support.doubling import assert_linear


def _bytes(size: int) -> bytes:
    return b"x" * size


def _total(data: bytes) -> int:
    return sum(data)


def test_work_in_proportion_to_its_input_passes() -> None:
    assert_linear(_bytes, _total, 300_000)


def test_quadratic_work_is_found() -> None:
    def add_up_again_for_each_byte(data: bytes) -> int:
        return sum(sum(data) for _ in data)

    with pytest.raises(AssertionError, match=r"costs [34]\.\d times the time"):
        assert_linear(_bytes, add_up_again_for_each_byte, 2_000)


def test_work_too_small_to_measure_is_no_proof() -> None:
    with pytest.raises(AssertionError, match="size 80 is too small to measure"):
        assert_linear(_bytes, len, 80)
