"""Passwords that are good enough, and codes of a second factor."""

from __future__ import annotations

import pyotp
import pytest

from hubwatch_core.credentials.passwords import (
    breached,
    check_password,
    hashed,
    is_outdated,
    matches,
    one_time_password,
)
from hubwatch_core.credentials.second_factor import new_key, step_of
from hubwatch_core.errors import BadCall


@pytest.mark.parametrize(
    "password",
    [
        "short-1!",
        "x" * 257,
        "aaaaaaaaaaaabb",
        "kim at the north gate",
        "hubwatch for ever",
        "correcthorsebatterystaple",
        "Correct Horse Battery Staple!",
        "Password2024!!",
        "rotterdam12345",
        "PASSWORDpassword",
        "qwertyuiop[]",
        "  123456789012",
    ],
)
def test_weak_password_is_refused(password: str) -> None:
    with pytest.raises(BadCall):
        check_password(password, "kim")


def test_password_that_nobody_tries_first_is_good() -> None:
    for password in ("four tall quay cranes", "日本語のパスワードです、長い", "x7!kfp-qqz92m", one_time_password()):
        check_password(password, "kim")


def test_list_of_stolen_passwords_is_there_and_in_lower_case() -> None:
    assert len(breached()) >= 500
    assert all(each == each.casefold().strip() for each in breached())


def test_password_matches_what_was_kept_of_it_and_nothing_else() -> None:
    kept = hashed("four tall quay cranes")
    assert matches("four tall quay cranes", kept)
    assert not matches("four tall quay crane", kept)
    assert not matches("four tall quay cranes", None)
    assert not matches("four tall quay cranes", "$argon2id$broken")
    assert kept != hashed("four tall quay cranes")
    assert not is_outdated(kept)


def test_one_time_passwords_are_long_and_never_the_same() -> None:
    made = {one_time_password() for _ in range(100)}
    assert len(made) == 100
    assert {len(each) for each in made} == {19}


def test_code_is_good_for_its_step_and_those_beside_it() -> None:
    key, now = new_key(), 1_790_000_000.0
    for offset, good in ((-61, False), (-30, True), (0, True), (30, True), (61, False)):
        step = step_of(key, pyotp.TOTP(key).at(int(now + offset)), now)
        assert (step == (now + offset) // 30) is good


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "٠١٢٣٤٥", "12 34\0"])
def test_what_is_no_code_is_none(code: str) -> None:
    assert step_of(new_key(), code, 1_790_000_000.0) is None
