"""Pseudonyms: the number of their key, a change of it at one moment, and keys that nobody can guess."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hubwatch_agents.settings import PrivacySection, subject_key
from hubwatch_agents.values import pseudonyms
from hubwatch_core.clock import to_us
from hubwatch_core.config.load import load
from hubwatch_core.errors import ConfigError, Permanent

CHANGE = datetime(2026, 12, 1, 2, tzinfo=UTC)


def _key(folder: Path, name: str, text: str | None = None) -> Path:
    file = folder / name
    file.write_text((secrets.token_hex(32) if text is None else text) + "\n", encoding="utf-8")
    return file


def test_pseudonym_carries_the_number_of_its_key(tmp_path: Path) -> None:
    key = _key(tmp_path, "key")
    first = pseudonyms.of(PrivacySection(key_file=key))("badge:", "17")
    later = pseudonyms.of(PrivacySection(key_file=key, key_version=12))("badge:", "17")
    assert first.startswith("badge:p1-")
    assert later == first.replace("p1-", "p12-")


def test_next_key_holds_from_its_moment_on_and_both_are_known(tmp_path: Path) -> None:
    former, following = _key(tmp_path, "one"), _key(tmp_path, "two")
    settings = PrivacySection(key_file=former, key_version=4, next_key_file=following, next_from=CHANGE)
    now = [to_us(CHANGE) - 1]
    pseudonym = pseudonyms.of(settings, lambda: now[0])
    before = pseudonym("badge:", "17")
    now[0] += 1
    after = pseudonym("badge:", "17")
    assert [before, after] == [each("badge:", "17") for each in pseudonyms.all_of(settings)]
    assert before == pseudonyms.of(PrivacySection(key_file=former, key_version=4))("badge:", "17")
    assert after == pseudonyms.of(PrivacySection(key_file=following, key_version=5))("badge:", "17"), (
        "the change is over"
    )


@pytest.mark.parametrize("bytes_", [32, 33, 64])
@pytest.mark.parametrize("form", ["hex", "base64", "url"])
def test_random_key_is_taken_in_every_usual_form(tmp_path: Path, bytes_: int, form: str) -> None:
    raw = secrets.token_bytes(bytes_)
    text = {"hex": raw.hex(), "base64": base64.b64encode(raw).decode(), "url": base64.urlsafe_b64encode(raw).decode()}
    assert subject_key(_key(tmp_path, "key", text[form])) == text[form].encode()


@pytest.mark.parametrize(
    "text",
    [
        "a key of more than thirty-two characters, and a passphrase",
        secrets.token_hex(31),
        "ab" * 40,
        "A" * 80,
        "0123456789abcdef" * 2,
    ],
    ids=["passphrase", "31 bytes", "one byte", "zeros", "16 bytes"],
)
def test_key_that_cannot_be_32_random_bytes_is_refused_without_being_repeated(tmp_path: Path, text: str) -> None:
    file = _key(tmp_path, "key", text)
    with pytest.raises(Permanent, match="must hold 32 random bytes as base64 or hexadecimal; openssl") as refused:
        pseudonyms.of(PrivacySection(key_file=file))
    assert text not in str(refused.value)
    (tmp_path / "p.toml").write_text(f'key_file = "{file}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="key_file: key file"):
        load(PrivacySection, tmp_path / "p.toml", env={}, check_files=True)


def test_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = _key(tmp_path, "key")
    file.chmod(0o644)
    with pytest.raises(Permanent, match="chmod 600"):
        pseudonyms.of(PrivacySection(key_file=file))


@pytest.mark.parametrize("keys", ['next_key_file = "k"', "next_from = 2026-12-01T02:00:00Z"])
def test_next_key_and_its_moment_go_together(tmp_path: Path, keys: str) -> None:
    (tmp_path / "p.toml").write_text(keys + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="go together"):
        load(PrivacySection, tmp_path / "p.toml", env={})


def test_moment_of_a_change_has_a_time_zone(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('next_key_file = "k"\nnext_from = 2026-12-01T02:00:00\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="next_from"):
        load(PrivacySection, tmp_path / "p.toml", env={})
