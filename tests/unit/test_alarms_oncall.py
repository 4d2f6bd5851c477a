"""The settings of who is on call, and `hubwatch alarms oncall`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hubwatch_alarms.check import check
from hubwatch_alarms.cli import app
from hubwatch_core.errors import ConfigError

WHO = """
[[routes]]
name = "journal"
kind = "log"
[[people]]
name = "kim"
ways = [{ route = "journal" }]
[[people]]
name = "ada"
ways = [{ route = "journal" }]
[[rotas]]
name = "duty"
time_zone = "Europe/Amsterdam"
begins = "2026-01-05"
hand_over = ["mon 08:00"]
people = ["kim", "ada"]
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "alarms.toml"
    file.write_text(text, encoding="utf-8")
    return file


def mistakes(folder: Path, text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as refused:
        check(written(folder, text))
    return {problem.key: problem.message for problem in refused.value.problems}


def shown(folder: Path, *arguments: str, text: str = WHO) -> str:
    done = CliRunner().invoke(app, ["oncall", "-c", str(written(folder, text)), *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_rota_without_mistakes_is_taken(tmp_path: Path) -> None:
    assert [rota.name for rota in check(written(tmp_path, WHO)).rotas] == ["duty"]


def test_every_mistake_of_a_rota_is_told_at_once(tmp_path: Path) -> None:
    wrong = (
        WHO
        + """
[[rotas]]
name = "duty"
time_zone = "Europe/Amsterdam"
begins = "2026-01-05"
hand_over = ["mon 08:00"]
people = ["kim", "nobody"]
[[rotas]]
name = "night"
time_zone = "Europe/Atlantis"
begins = "yesterday"
hand_over = ["someday 08:00"]
people = []
[[rotas]]
name = "near"
time_zone = "UTC"
begins = "2026-01-05"
hand_over = ["sun 23:00", "mon 01:00"]
people = ["kim"]
[[people]]
name = "lee"
ways = [{ route = "pigeon" }]
"""
    )
    found = mistakes(tmp_path, wrong)
    assert set(found) == {
        "rotas[1].name",
        "rotas[1].people[1]",
        "rotas[2].time_zone",
        "rotas[2].begins",
        "rotas[2].hand_over[0]",
        "rotas[2].people",
        "rotas[3].hand_over",
        "people[2].ways[0].route",
    }
    assert found["rotas[1].people[1]"] == "there is nobody called nobody in [[people]]"
    assert "Europe/Amsterdam" in found["rotas[2].time_zone"]


def test_hole_is_refused_with_its_begin_and_end(tmp_path: Path) -> None:
    away = """
[[rotas.away]]
person = "kim"
from = "2099-07-01 00:00"
until = "2099-07-20 00:00"
[[rotas.away]]
person = "ada"
from = 2099-07-10T00:00:00
until = 2099-07-12T00:00:00
"""
    assert mistakes(tmp_path, WHO + away) == {
        "rotas[0].people": "nobody is on call from 2099-07-10 00:00 CEST to 2099-07-12 00:00 CEST: "
        "everybody is away, or `begins` is later"
    }


def test_hole_that_an_override_fills_is_none(tmp_path: Path) -> None:
    filled = """
away = [
  { person = "kim", from = "2099-07-01 00:00", until = "2099-07-20 00:00" },
  { person = "ada", from = "2099-07-10 00:00", until = "2099-07-12 00:00" },
]
overrides = [{ person = "lee", from = "2099-07-10 00:00", until = "2099-07-12 00:00" }]
[[people]]
name = "lee"
ways = [{ route = "journal" }]
"""
    assert check(written(tmp_path, WHO + filled)).rotas


def test_overrides_that_overlap_or_name_somebody_who_is_away_are_refused(tmp_path: Path) -> None:
    spans = """
away = [{ person = "ada", from = "2099-07-01 00:00", until = "2099-07-20 00:00" }]
overrides = [
  { person = "ada", from = "2099-07-10 00:00", until = "2099-07-12 00:00" },
  { person = "kim", from = "2099-07-11 00:00", until = "2099-07-12 00:00" },
]
"""
    assert mistakes(tmp_path, WHO + spans) == {
        "rotas[0].overrides[0].person": "ada is away then",
        "rotas[0].overrides[1].from": "overlaps another override, of ada",
    }


@pytest.mark.parametrize(
    ("span", "key", "says"),
    [
        ('from = "2099-07-10 00:00"\nuntil = "2099-07-10 00:00"', "until", "must be later than from"),
        ('from = "2099-07-10T00:00Z"\nuntil = "2099-07-11"', "from", "leave the offset out"),
        ('from = "at noon"\nuntil = "2099-07-11"', "from", "must be a moment as in 2026-12-24 08:00"),
    ],
)
def test_span_that_is_none_is_refused(tmp_path: Path, span: str, key: str, says: str) -> None:
    found = mistakes(tmp_path, WHO + f'[[rotas.overrides]]\nperson = "kim"\n{span}\n')
    assert says in found[f"rotas[0].overrides[0].{key}"]


def test_command_says_who_until_when_and_who_comes_then(tmp_path: Path) -> None:
    # In the week in which summer ends, the hand-over stays at eight on the clock.
    assert shown(tmp_path, "--at", "2026-10-24T12:00") == "duty: ada until 2026-10-26 08:00 CET, then kim\n"
    assert shown(tmp_path, "--at", "2026-03-28T12:00Z") == "duty: ada until 2026-03-30 08:00 CEST, then kim\n"


def test_command_gives_the_same_as_json(tmp_path: Path) -> None:
    (found,) = json.loads(shown(tmp_path, "--at", "2026-10-26T07:00Z", "--json"))
    assert found == {
        "rota": "duty",
        "time_zone": "Europe/Amsterdam",
        "at": "2026-10-26T07:00:00.000000Z",
        "person": "kim",
        "until": "2026-11-02T07:00:00.000000Z",
        "next": "ada",
    }


def test_command_reads_the_file_of_a_whole_hub(tmp_path: Path) -> None:
    whole = WHO.replace("[[", "[[alarms.")
    assert shown(tmp_path, "--at", "2026-01-05T08:00", text=whole).startswith("duty: kim until 2026-01-12 08:00 CET")


def test_command_refuses_a_moment_that_is_none(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["oncall", "-c", str(written(tmp_path, WHO)), "--at", "noon"])
    assert done.exit_code != 0
    assert "is no moment" in done.output
