"""docs/reference/alarms.md against the code."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from hubwatch_alarms.lifecycle import QUIET_US
from hubwatch_alarms.triggers import Trigger
from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import AlarmState
from support.alarms_transitions import TRIGGERS, markdown

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "alarms.md"
BEGIN = "<!-- begin generated: tests/support/alarms_transitions.py -->\n"
END = "<!-- end generated -->\n"


def test_table_on_the_page_is_what_the_code_does() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.split(BEGIN)[1].split(END)[0] == markdown()


def test_table_has_every_kind_of_trigger_and_every_state() -> None:
    assert {type(trigger) for trigger in TRIGGERS.values()} == set(get_args(Trigger))
    header = markdown().splitlines()[0]
    assert all(state.replace("_", " ") in header for state in AlarmState)


def test_page_names_every_state_and_the_quiet_time_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{state}`" in text for state in AlarmState)
    assert QUIET_US == 5 * 60 * SECOND_US
    assert "quiet for five minutes" in text
