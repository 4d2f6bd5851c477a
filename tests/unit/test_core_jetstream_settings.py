"""What `[nats]` refuses, and what is said of a stream that fills."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubwatch_core.config import NatsSection
from hubwatch_core.config.load import load
from hubwatch_core.errors import ConfigError
from hubwatch_core.jetstream.trim import Fill


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('password_file = "p"', "a password needs a username"),
        ('username = "u"\ncredentials_file = "c"', "give username or credentials_file, not both"),
        ('username = "u"\nnkey_file = "k"', "not two of them"),
        ('credentials_file = "c"\nnkey_file = "k"', "not two of them"),
        ("forget_after_s = 0", "forget_after_s"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_with_the_reason(tmp_path: Path, text: str, problem: str) -> None:
    for name in "pck":
        (tmp_path / name).write_text("x")
    path = tmp_path / "nats.toml"
    for name in "pck":
        text = text.replace(f'"{name}"', f'"{tmp_path / name}"')
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load(NatsSection, path)


def test_stream_without_a_bound_is_never_full() -> None:
    assert Fill(size=10**12, max_bytes=0, slowest="", waiting=0).share == 0


def test_full_stream_names_who_holds_it_up() -> None:
    fill = Fill(size=90, max_bytes=100, slowest="hubwatch-detectors-north_a", waiting=1234)
    assert str(fill) == ("stream is 90% full, most waits for consumer hubwatch-detectors-north_a (1234 messages)")
