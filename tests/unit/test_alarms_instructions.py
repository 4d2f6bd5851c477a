"""What to do first, by type."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_core.errors import ConfigError

TYPES = [
    "radiation.gamma",
    "radiation.neutron",
    "access.forced",
    "access.held",
    "access.brute_force",
    "access.impossible_travel",
    "access.passback",
    "access.cloned",
    "access.after_hours",
    "access.tailgating",
    "access.dormant",
    "access.tamper",
    "access.duress",
    "perimeter.intrusion",
    "perimeter.crossing",
    "integrity.sensor_silent",
    "integrity.value_frozen",
    "integrity.agent_offline",
    "integrity.detector_failed",
    "integrity.sensor_twice",
    "integrity.agent_twice",
    "integrity.frame_forged",
    "integrity.frame_replayed",
    "integrity.sensor_claimed",
    "integrity.agent_limited",
    "integrity.unit_changed",
    "integrity.revocation_asked",
    "integrity.login_refused",
    "integrity.topic_refused",
]


@pytest.mark.parametrize("type_", TYPES)
def test_every_type_a_detector_emits_has_its_own_instruction(type_: str) -> None:
    packaged = tomllib.loads(resources.files("hubwatch_alarms").joinpath("instructions.toml").read_text("utf-8"))
    assert type_ in packaged
    assert Instructions.load().of(type_).do == packaged[type_]["do"]


@pytest.mark.parametrize("type_", TYPES)
def test_instruction_fits_a_phone_screen(type_: str) -> None:
    instruction = Instructions.load().of(type_)
    assert len(instruction.title) <= 40
    assert len(instruction.do) <= 320  # two SMS of 160 characters (GSM 03.38)
    assert "\n" not in instruction.title + instruction.do


def test_type_without_an_entry_takes_that_of_its_family_then_the_default() -> None:
    instructions = Instructions.load()
    assert instructions.of("radiation.beta.fast") == instructions.of("radiation")
    assert instructions.of("chemical.gas") == instructions.of("default")


def test_own_file_goes_over_the_packaged_texts_and_leaves_the_others(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('["radiation.gamma"]\ntitle = "Gamma"\ndo = "Call 4711."\n', encoding="utf-8")
    instructions = Instructions.load(own)
    assert instructions.of("radiation.gamma").do == "Call 4711."
    assert instructions.of("access.held") == Instructions.load().of("access.held")


def test_what_to_do_may_have_several_lines(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[radiation]\ntitle = "Gamma"\ndo = """Stop the lane.\nCall 4711.\n"""\n', encoding="utf-8")
    assert Instructions.load(own).of("radiation").do == "Stop the lane.\nCall 4711.\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[radiation]\ntitle = 1\ndo = 'x'\n", "Expected `str`"),
        ("[radiation]\ntitle = 'x'\n", "missing required field `do`"),
        ("[radiation]\ntitle = 'x'\ndo = 'y'\nwho = 'z'\n", "unknown field `who`"),
        ("[radiation\n", "line 1"),
        ('[radiation]\ntitle = "a\\u0000b"\ndo = "x"\n', "title must be one line"),
        ('[radiation]\ntitle = "two\\nlines"\ndo = "x"\n', "title must be one line"),
        ('[radiation]\ntitle = ""\ndo = "x"\n', "title must be one line"),
        ('[radiation]\ntitle = "x"\ndo = "\\u001b[2J"\n', "do must be lines of printable text"),
        (f'[radiation]\ntitle = "x"\ndo = "{"y" * 4001}"\n', "do must be lines"),
        (f"[radiation]\ntitle = {'9' * 5000}\n", "4300 digits"),
        (f"x = {'[' * 5000}", "recursion"),
    ],
    ids=[
        *("wrong type", "missing", "unknown key", "no TOML", "NUL", "two lines", "nothing", "control", "long"),
        *("endless number", "endless nesting"),
    ],
)
def test_own_file_with_a_mistake_is_refused_with_its_name(tmp_path: Path, text: str, says: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        Instructions.load(own)
    assert str(own) in str(refused.value)
    assert says in str(refused.value)


def test_own_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Instructions.load(tmp_path / "none.toml")


def test_text_of_a_hub_goes_before_that_of_all_and_a_nearer_type_before_a_wider_one(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '["basel/radiation"]\ntitle = "B"\ndo = "Basel."\n["basel/access.held"]\ntitle = "H"\ndo = "Close it."\n'
        '["basel/default"]\ntitle = "D"\ndo = "Call 4711."\n'
    )
    instructions = Instructions.load(own)
    assert instructions.of("radiation.unheard_of", "basel").do == "Basel."
    assert instructions.of("radiation.gamma", "basel") == Instructions.load().of("radiation.gamma")
    assert instructions.of("access.held", "basel").do == "Close it."
    assert instructions.of("access.held", "rotterdam") == instructions.of("access.held")
    assert instructions.of("unheard_of", "basel").do == "Call 4711."
    assert instructions.of("unheard_of", "rotterdam") == instructions.of("unheard_of")
