"""Secrets that are kept encrypted: under which key, for what they are about, and what is no key."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from hubwatch_core.credentials.sealing import NotOpened, SealingKeys, keys_in
from hubwatch_core.errors import Permanent

TEXT = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
FORMER, TODAY = os.urandom(32), os.urandom(32)


def test_sealed_text_opens_for_what_it_is_about_and_shows_nothing() -> None:
    keys = SealingKeys([TODAY])
    kept = keys.sealed(TEXT, "user 1")
    assert TEXT not in kept
    assert keys.opened(kept, "user 1") == TEXT
    assert keys.sealed(TEXT, "user 1") != kept, "two users with one key would show"
    with pytest.raises(NotOpened):
        keys.opened(kept, "user 2")


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_changed_text_is_not_opened(place: int) -> None:
    keys = SealingKeys([TODAY])
    form, name, kept = keys.sealed(TEXT, "user 1").split(".")
    data = bytearray(base64.b64decode(kept))
    data[place % len(data)] ^= 1
    with pytest.raises(NotOpened):
        keys.opened(f"{form}.{name}.{base64.b64encode(data).decode()}", "user 1")


@pytest.mark.parametrize("kept", ["s1.", "s1.x", "s1.0.y.z", "s1.000000000000.AAAA", "s1..", "s1.\u00fc.\u00fc"])
def test_what_was_never_sealed_by_us_is_not_opened(kept: str) -> None:
    with pytest.raises(NotOpened):
        SealingKeys([TODAY]).opened(kept, "user 1")


def test_former_key_still_opens_and_does_not_seal() -> None:
    kept = SealingKeys([FORMER]).sealed(TEXT, "user 1")
    both = SealingKeys([TODAY, FORMER])
    assert both.opened(kept, "user 1") == TEXT
    assert not both.is_current(kept)
    anew = both.sealed(TEXT, "user 1")
    assert both.is_current(anew)
    assert SealingKeys([TODAY]).opened(anew, "user 1") == TEXT
    for keys in (SealingKeys([FORMER]), SealingKeys()):
        with pytest.raises(NotOpened, match="not at hand"):
            keys.opened(anew, "user 1")


def test_without_a_key_texts_stay_plain_and_a_key_opens_them_too() -> None:
    assert SealingKeys().sealed(TEXT, "user 1") == TEXT
    assert SealingKeys([TODAY]).opened(TEXT, "user 1") == TEXT
    assert SealingKeys().is_current(TEXT)
    assert not SealingKeys([TODAY]).is_current(TEXT)


def test_keys_are_in_no_text_of_theirs() -> None:
    assert "keys" not in repr(SealingKeys([TODAY]))


def written(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    file = tmp_path / "seal.key"
    file.write_text(text, encoding="ascii")
    file.chmod(mode)
    return file


def test_key_is_read_from_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    file = written(tmp_path, base64.b64encode(TODAY).decode() + "\n")
    assert keys_in(file, None).keys == [TODAY]
    file.chmod(0o644)
    with pytest.raises(Permanent, match="chmod"):
        keys_in(file)


@pytest.mark.parametrize(
    "text",
    ["x", base64.b64encode(bytes(32)).decode(), base64.b64encode(bytes(range(31))).decode()],
    ids=["no base64", "one byte again and again", "too short"],
)
def test_what_is_no_key_is_refused_without_being_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(Permanent, match="holds no key of 32 random bytes") as refused:
        keys_in(written(tmp_path, text))
    assert text == "x" or text not in str(refused.value)
