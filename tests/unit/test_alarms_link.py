"""Links with which people acknowledge from a message."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_alarms.check import check
from hubwatch_alarms.oncall.link import LinkSection, parse_token, seal
from hubwatch_core.errors import ConfigError
from hubwatch_core.ids import new_ulid

KEY = "0123456789abcdef0123456789abcdef"


def key_file(folder: Path, text: str = KEY) -> Path:
    file = folder / "link.key"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return file


def test_link_is_read_back_and_its_seal_holds_for_nothing_else(tmp_path: Path) -> None:
    section = LinkSection(url="https://c.example:8443/", key_file=key_file(tmp_path), valid_s=3600)
    message = new_ulid()
    link = section.link(message, 3, 41, "kim", 1_800_000_000.9)
    assert link.startswith(f"https://c.example:8443/api/v1/acknowledge/{message}.3.1800003600.")
    token = parse_token(link.rpartition("/")[2])
    assert token is not None
    assert (token.message, token.attempt, token.until_s) == (message, 3, 1_800_003_600)
    key = KEY.encode()
    assert token.is_sealed(key, 41, "kim")
    assert not any(token.is_sealed(*other) for other in [(key, 42, "kim"), (key, 41, "ada"), (key + b"x", 41, "kim")])


def test_seal_is_that_of_the_worked_example() -> None:
    # printf 'hubwatch acknowledge 2\nM\n1\n41\nkim\n1800003600' |
    #   openssl dgst -sha256 -hmac KEY -binary | basenc --base64url
    assert seal(KEY.encode(), "M", 1, 41, "kim", 1_800_003_600) == "W28w7-a0vfSrj2ePNPBEDicGtud2q5SSdyChdPbMaNU"


@given(st.text(max_size=120))
def test_what_is_no_link_is_never_taken_for_one(text: str) -> None:
    assert parse_token(text) is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://console.example", "must be the address of the console with https://"),
        ("https://console.example?x=1", "must be scheme, host and port only"),
        ("https://console.example/path", "must be scheme, host and port only"),
        ("console", "must be the address of the console with https://"),
    ],
)
def test_address_that_would_lead_astray_is_refused(tmp_path: Path, url: str, says: str) -> None:
    file = tmp_path / "alarms.toml"
    file.write_text(f'[acknowledge]\nurl = "{url}"\nkey_file = "{key_file(tmp_path)}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        check(file)


@pytest.mark.parametrize(("key", "mode"), [("short", 0o600), (KEY, 0o644)])
def test_weak_or_open_key_is_refused(tmp_path: Path, key: str, mode: int) -> None:
    secret = key_file(tmp_path, key)
    secret.chmod(mode)
    file = tmp_path / "alarms.toml"
    file.write_text(f'[acknowledge]\nurl = "https://c.example"\nkey_file = "{secret}"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        check(file)
    assert [problem.key for problem in refused.value.problems] == ["acknowledge.key_file"]
