"""Everything that people see of an exercise says so, and scenarios are checked when they are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree
from rich.console import Console

from hubwatch_alarms.console import show_list, show_one
from hubwatch_alarms.console_drills import show_report, show_scenarios
from hubwatch_alarms.facts import alarm_of_facts, facts_of
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.lifecycle import move
from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.cap import cap_message
from hubwatch_alarms.notify.services import alertmanager_alert, pagerduty_event
from hubwatch_alarms.notify.siren import payload_of
from hubwatch_alarms.notify.smtp import mail_of
from hubwatch_alarms.scenarios import (
    MAX_BYTES,
    MOST_SCENARIOS,
    facts_of_scenarios,
    load_scenarios,
    packaged,
    parse_scenarios,
    placed,
)
from hubwatch_alarms.triggers import Detected
from hubwatch_core.alarm import Action
from hubwatch_core.errors import ConfigError, Permanent
from hubwatch_store.alarms import DrillSensor
from support.alarms_examples import START_US, alarm, condition

INSTRUCTIONS = Instructions.load()
MADE_UP = replace(alarm(), exercise=7)
MESSAGE = AlarmMessage(
    "01JD3Z00000000000000000009", Action.OPENED, START_US, "system", None, MADE_UP, INSTRUCTIONS.of("radiation.gamma")
)
REAL = replace(MESSAGE, alarm=alarm())
GOOD = """
[one]
title = "One"
about = "It happens."
for_s = 60
[[one.steps]]
type = "access.forced"
at = ["access"]
why = "the door opened"
"""


def cap_headline(message: AlarmMessage) -> str:
    root = etree.fromstring(cap_message(message, "hub.example", "staff only"))
    names = {"c": "urn:oasis:names:tc:emergency:cap:1.2"}
    said = [root.findtext(f".//c:{name}", namespaces=names) for name in ("headline", "event", "description")]
    assert len({(text or "").split()[0] for text in said} & {"EXERCISE:"}) == (message.exercise is True)
    return said[0] or ""


SAID: dict[str, Callable[[AlarmMessage], str]] = {
    "text": lambda message: message.text,
    "160 characters": lambda message: message.short,
    "webhook": lambda message: str(json.loads(message.json())["alarm"]["title"]),
    "mail": lambda message: str(mail_of(message, "hub@port.example", ["kim@port.example"])["Subject"]),
    "pagerduty": lambda message: str(pagerduty_event(message)["payload"]["summary"]),
    "alertmanager": lambda message: str(alertmanager_alert(message)["annotations"]["summary"]),
    "cap": cap_headline,
    "siren": lambda message: str(json.loads(payload_of(message))["short"]),
}


@pytest.mark.parametrize("channel", SAID)
def test_every_channel_says_exercise_first_and_only_of_an_exercise(channel: str) -> None:
    assert SAID[channel](MESSAGE).split()[0] == "EXERCISE:"
    assert "EXERCISE" not in SAID[channel](REAL)


def test_programs_are_told_too() -> None:
    assert json.loads(MESSAGE.json())["exercise"] is True
    assert json.loads(REAL.json())["exercise"] is False
    assert json.loads(payload_of(MESSAGE))["exercise"] is True
    assert alertmanager_alert(MESSAGE)["labels"]["exercise"] == "true"
    assert "exercise" not in alertmanager_alert(REAL)["labels"]
    assert "Say EXERCISE to whomever you call" in MESSAGE.text
    assert len(MESSAGE.short) <= 160


def test_terminal_says_exercise_in_list_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=200)
    show_list(console, [MADE_UP], INSTRUCTIONS, START_US)
    show_one(console, MADE_UP, INSTRUCTIONS.of(MADE_UP.type), (), ())
    assert capsys.readouterr().out.count("EXERCISE: Gamma alarm") == 2
    show_list(console, [alarm()], INSTRUCTIONS, START_US)
    assert "EXERCISE" not in capsys.readouterr().out


def test_mark_goes_from_the_detection_to_the_alarm_and_through_its_json() -> None:
    made, _ = move(None, Detected(START_US, replace(condition(), exercise=7), 1))
    assert made.exercise == 7
    assert alarm_of_facts(facts_of(made, "x")).exercise == 7


def test_every_packaged_scenario_can_be_placed_and_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    there = [DrillSensor(kind, f"{kind}-1", "north") for kind in ("perimeter", "access", "radiation_portal", "power")]
    there.append(DrillSensor("agent", "gate-7", None))
    show_scenarios(Console(width=200), facts_of_scenarios(packaged()))
    shown = capsys.readouterr().out
    for name, scenario in packaged().items():
        assert len(placed(scenario, there, "hub x")) == len(scenario.steps)
        assert name in shown


def test_steps_stay_in_the_zone_of_the_first_as_far_as_it_has_them() -> None:
    there = [DrillSensor("access", "a-1", "south"), DrillSensor("access", "b-1", "north"),
             DrillSensor("perimeter", "f-1", "north")]  # fmt: skip
    steps = placed(packaged()["cut-fence-at-night"], there, "hub x")
    assert [step.sensor for step in steps] == ["f-1", "f-1", "b-1"]
    with pytest.raises(Permanent, match=r"hub x has nothing of the kind power, which power\.lost needs"):
        placed(packaged()["power-lost"], there, "hub x")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("access.forced", "access.nothing"), "is no type of the priority table"),
        (('why = "the door opened"', 'why = "the door opened"\nafter_s = 60'), "when the exercise is over"),
        (("for_s = 60", "for_s = 86400"), "for_s"),
        (('at = ["access"]', "at = []"), "at"),
        (("It happens.", "It\\u0007happens."), "printable"),
        (("about =", "abuot ="), "abuot"),
    ],
)
def test_mistake_in_a_scenario_is_said(change: tuple[str, str], words: str) -> None:
    assert list(parse_scenarios(GOOD)) == ["one"]
    with pytest.raises(ValueError, match=words):
        parse_scenarios(GOOD.replace(*change))


@pytest.mark.parametrize("name", ["report", "end", "Night", "a b", "a\u0007", "x" * 64])
def test_scenario_is_called_as_somebody_can_type_it_and_as_no_word_of_the_command(name: str) -> None:
    with pytest.raises(ValueError, match="must be called by small letters"):
        parse_scenarios(GOOD.replace("[one", f"[{json.dumps(name)}").replace("[[one", f"[[{json.dumps(name)}"))


def test_scenarios_of_the_hub_stand_beside_the_packaged_ones_and_over_those_of_their_name(tmp_path: Path) -> None:
    own = tmp_path / "scenarios.toml"
    own.write_text(GOOD + GOOD.replace("[one", "[duress"), encoding="utf-8")
    known = load_scenarios(own)
    assert set(known) == {*packaged(), "one"}
    assert {name for name, each in facts_of_scenarios(known).items() if each["own"]} == {"one", "duress"}
    assert load_scenarios() == packaged()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff", "utf-8"),
        (b"one = 1", "one: Expected `object`, got `int`"),
        (b"[one]\ntitle = 'x'\n[two]\ntitle = 'x'", "one: .*two: "),
        (b"a = " + b"[" * 9000, ""),
        (b" " * (MAX_BYTES + 1), "is longer than 1 MiB"),
        (b"".join(b"[x%d]\n" % number for number in range(MOST_SCENARIOS + 1)), "more than 200 scenarios"),
    ],
    ids=["bytes", "no table", "two mistakes", "deep", "long", "many"],
)
def test_file_of_scenarios_that_cannot_be_used_is_told_with_its_name(tmp_path: Path, data: bytes, words: str) -> None:
    own = tmp_path / "scenarios.toml"
    own.write_bytes(data)
    with pytest.raises(ConfigError, match=f"scenarios.toml: .*{words}"):
        load_scenarios(own)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_scenarios(tmp_path / "none.toml")


def test_report_names_whoever_was_told_and_whoever_did_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    delivery = {"event": "opened", "route": "sms", "person": "kim", "outcome": "delivered", "tries": 1, "error": None}
    of = {"alarm": 3, "title": "EXERCISE: Door forced", "zone": "north", "sensor": "door-1", "priority": 1}
    nobody = {"escalated": 2, "answer": None, "answered_by": None, "answered_after_s": None}
    drill = {"drill": 7, "title": "EXERCISE: Duress", "hub": "rotterdam", "zone": None, "began": "10:00", "by": "kim"}
    stands = {"until": "10:20", "ended": None, "ended_by": None, "steps": 1, "made_up": 1, "told": 1, "answered": 0}
    found = [of | nobody | {"told": [delivery | {"after_s": 1.5}]}, of | nobody | {"told": []}]
    show_report(Console(width=200), drill | stands | {"alarms": found})
    shown = capsys.readouterr().out
    assert "opened sms kim delivered 1.5 s 1" in " ".join(shown.split())
    assert shown.count("nobody answered, after 2 further steps") == 2
    assert "nobody was told: no route carries it" in shown
