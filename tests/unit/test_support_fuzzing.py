from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import pytest
from hypothesis import strategies as st

from support.fuzzing import FIRST_CHUNK, SECONDS, SEED, fuzzed, look

numbers = st.integers(0, 10_000)


class Seen:
    """A check that takes everything and remembers it."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    @property
    def check(self) -> Callable[[int], None]:
        def check(number: int) -> None:
            self.numbers.append(number)

        return check


def test_fuzzer_looks_until_its_time_is_up() -> None:
    seen, budget_s = Seen(), 0.25
    while True:
        began = monotonic()
        tried = look(seen.check, [numbers], budget_s)
        assert monotonic() - began >= budget_s
        if tried > FIRST_CHUNK:  # a busy machine may take all of a short time for the first seed
            break
        budget_s *= 2
        assert budget_s < 60, "only one seed is ever tried"
    assert len(set(seen.numbers)) > FIRST_CHUNK


def test_fuzzer_looks_once_where_there_is_no_time() -> None:
    assert look(lambda _: None, [numbers], 0.0) == FIRST_CHUNK


def test_environment_says_for_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECONDS, "0.2")
    seen = Seen()
    began = monotonic()
    fuzzed(numbers)(seen.check)()
    assert monotonic() - began >= 0.2
    assert len(seen.numbers) >= FIRST_CHUNK


def below_5000(number: int) -> None:
    assert number < 5_000


def test_failure_is_shrunk_and_names_the_seed_that_finds_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError) as found:
        look(below_5000, [numbers], 30.0)
    notes = found.value.__notes__
    assert any("number=5_000" in note or "number=5000" in note for note in notes), notes
    name, _, seed = notes[-1].removeprefix("found with ").partition("=")
    assert name == SEED
    monkeypatch.setenv(SEED, seed)
    with pytest.raises(AssertionError) as again:
        look(below_5000, [numbers], 0.0)
    assert again.value.__notes__[-1] == notes[-1]


def test_examples_come_first_and_once() -> None:
    seen = Seen()
    look(seen.check, [numbers], 0.3, [(123_456,)])
    assert seen.numbers[0] == 123_456
    assert seen.numbers.count(123_456) == 1
