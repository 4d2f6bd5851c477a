"""The file of a site: every mistake at once, each with its key, also those between entries."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from hubwatch_core.config import Section
from hubwatch_core.config.section import types_in
from hubwatch_core.errors import ConfigError
from hubwatch_site import HubSite, load_site, parse_site
from hubwatch_site.file import MAX_BYTES
from hubwatch_site.model import days_of

HEAD = '[hub]\nid = "h"\nname = "H"\nmode = "sea"\ntime_zone = "Europe/Amsterdam"\n'
ZONES = "".join(f'[[zones]]\nid = "{name}"\n' for name in "abc")
SAMPLE = resources.files("hubwatch_site").joinpath("sample.toml").read_text(encoding="utf-8")


def mistakes(text: str) -> list[str]:
    try:
        parse_site(text, "f")
    except ConfigError as error:
        return [f"{each.key}: {each.message}" for each in error.problems]
    return []


def test_sample_is_right_and_shows_every_key() -> None:
    assert parse_site(SAMPLE, "sample").hub.id == "rotterdam"
    shown = set(re.findall(r"[a-z_]+(?= = )", SAMPLE)) | set(re.findall(r"\[+([a-z_.]+)\]+", SAMPLE))
    shown = {part for name in shown for part in name.split(".")}
    assert {key for key in keys(HubSite) if key not in shown} == set()


def keys(model: type[BaseModel]) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        found.add(field.alias or name)
        for kind in types_in(field.annotation):
            if isinstance(kind, type) and issubclass(kind, Section):
                found |= keys(kind)
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[[doors]]\nsensor = "d"\nfrom = "a"\nto = "x"', "doors[0].to: there is no zone x in this file"),
        ('[[doors]]\nsensor = "d"\nfrom = "a"\nto = "a"', "doors[0].to: must be another zone than from"),
        (
            '[[doors]]\nsensor = "d"\nfrom = "a"\nto = "b"\n[[doors]]\nsensor = "d"\nfrom = "b"\nto = "c"',
            "doors[1].sensor: d is named twice, first at doors.0",
        ),
        (
            '[[doors]]\nsensor = "d"\nfrom = "a"\nto = "b"\nreaders = { in = "r", out = "r" }',
            "doors[0].readers.out: must be another reader than the one inwards",
        ),
        ('[[paths]]\nfrom = "a"\nto = "b"', "paths[0].metres: give either metres or seconds"),
        ('[[paths]]\nfrom = "a"\nto = "b"\nmetres = 1\nseconds = 2', "paths[0].metres: give either metres or seconds"),
        ('[[paths]]\nfrom = "a"\nto = "x"\nmetres = 1', "paths[0].to: there is no zone x in this file"),
        (
            '[[paths]]\nfrom = "a"\nto = "b"\nmetres = 1\n[[paths]]\nfrom = "b"\nto = "a"\nmetres = 2',
            "paths[1].to: the way from b to a is given already, at paths.0",
        ),
        (
            '[[fences]]\nzone = "a"\nsections = [{ sensor = "f", from_m = 0, to_m = 5 },'
            ' { sensor = "g", from_m = 6, to_m = 9 }]',
            "fences[0].sections[1].from_m: must be 5, where f ends: 1 m are watched by nobody",
        ),
        (
            '[[fences]]\nzone = "a"\nsections = [{ sensor = "f", from_m = 0, to_m = 5 },'
            ' { sensor = "g", from_m = 3, to_m = 9 }]',
            "fences[0].sections[1].from_m: must be 5, where f ends: 2 m are watched twice",
        ),
        (
            '[[fences]]\nzone = "a"\nsections = [{ sensor = "f", from_m = 5, to_m = 5 }]',
            "fences[0].sections[0].to_m: must be more than from_m",
        ),
        (
            '[[fences]]\nzone = "a"\nsections = [{ sensor = "f", from_m = 0, to_m = 5 }]\n'
            '[[fences.behind]]\nsensor = "f"\nmetres = 2',
            "fences[0].behind[0].sensor: f is part of this line itself",
        ),
        (
            '[[lanes]]\nid = "l"\nsteps = [{ sensor = "s" }, { sensor = "s", within_s = 5 }]',
            "lanes[0].steps[1].sensor: s is a step of this lane already",
        ),
        (
            '[[lanes]]\nid = "l"\nsteps = [{ sensor = "s", within_s = 5 }]',
            "lanes[0].steps[0].within_s: the first step comes after no other",
        ),
        (
            '[[sensors]]\nid = "s"\nat = [1, 1]',
            "sensors[0].at: there is no plan: give [plan] with width_m and height_m",
        ),
        (
            '[plan]\nwidth_m = 9\nheight_m = 9\n[[sensors]]\nid = "s"\nat = [1, 10]',
            "sensors[0].at: 1, 10 lies outside the plan",
        ),
        ('[[sensors]]\nid = "s"\n[[sensors]]\nid = "s"', "sensors[1].id: s is named twice, first at sensors.0"),
        (
            '[[cameras]]\nid = "c"\ncovers = ["s"]\npage = "javascript:alert(1)"',
            "cameras[0].page: must be an http or https address",
        ),
        (
            '[[cameras]]\nid = "c"\ncovers = ["s"]\npage = "https://x/{time_iso:>99999999}"',
            "cameras[0].page: may have only these in braces: {time_iso}, {time_unix}, {sensor}, {camera}",
        ),
        ('[[travel]]\nfrom = "a"\nto = "x"\nseconds = 5', "travel[0].to: there is no zone x in this file"),
        ('[[shifts]]\nname = "s"\ndays = "mo"\nfrom = "06:00"\nto = "07:00"', "shifts[0].days: must be days"),
        ('[[shifts]]\nname = "s"\ndays = "mon"\nfrom = "06:00"\nto = "24:00"', "shifts[0].to: must be a time of day"),
        ('[plan]\nwidth_m = 9\nheight_m = 9\nimage = "../plan.svg"', "plan.image: must be an SVG or PNG file beside"),
        (
            '[plan]\nwidth_m = 9\nheight_m = 9\nimage = "a\\u0000.svg"',
            "plan.image: must be an SVG or PNG file beside",
        ),
        ('[[supplies]]\nsensor = "u"', "supplies[0].sensors: feeds nothing"),
        ('[[supplies]]\nsensor = "u"\nzones = ["a", "a"]', "supplies[0].zones: names something twice"),
        ('[[supplies]]\nsensor = "u"\nzones = ["a", "x"]', "supplies[0].zones[1]: there is no zone x in this file"),
        (
            '[[supplies]]\nsensor = "u"\nzones = ["a"]\n[[supplies]]\nsensor = "u"\nzones = ["b"]',
            "supplies[1].sensor: u is named twice, first at supplies.0",
        ),
        (
            '[[supplies]]\nsensor = "u"\nsensors = ["u"]',
            "supplies[0].sensors: a supply feeds itself in the end: u feeds u",
        ),
        (
            "".join(f'[[supplies]]\nsensor = "u{i}"\nsensors = ["u{(i + 1) % 3}"]\n' for i in range(3)),
            "supplies[0].sensors: a supply feeds itself in the end: u0 feeds u1 feeds u2 feeds u0",
        ),
        (
            "".join(f'[[supplies]]\nsensor = "u{i}"\nsensors = ["u{i + 1}"]\n' for i in range(9)),
            "supplies[0].sensors: more than 8 supplies feed one another in a row",
        ),
        ("[[doors]]\nx = 1", "doors[0].x: unknown key"),
    ],
)
def test_mistake_is_told_with_its_key(text: str, found: str) -> None:
    told = mistakes(HEAD + ZONES + text)
    assert any(each.startswith(found) for each in told), told


def test_every_mistake_is_told_at_once() -> None:
    text = HEAD.replace('"sea"', '"sky"').replace("Europe/Amsterdam", "Mars") + ZONES.replace('"b"', '"B b"')
    text += '[[doors]]\nsensor = "d"\nfrom = "a"\nto = "a"\n[[lanes]]\nid = "l"\nsteps = []\n'
    told = [each.split(":")[0] for each in mistakes(text)]
    assert told == ["hub.mode", "hub.time_zone", "zones[1].id", "doors[0].to", "lanes[0].steps"]


@pytest.mark.parametrize(
    ("outline", "found"),
    [
        ("[[0,0],[1,1]]", "needs at least three corners"),
        ("[[0,0],[1,1],[2,2]]", "has no area"),
        ("[[0,0],[4,4],[4,0],[0,4]]", "crosses itself: the side from corner 0 and the side from corner 2"),
        ("[[0,0],[4,4],[4,0],[0,5]]", "crosses itself: the side from corner 0 and the side from corner 2"),
    ],
)
def test_outline_that_is_no_shape_is_told(outline: str, found: str) -> None:
    text = f'{HEAD}[plan]\nwidth_m = 9\nheight_m = 9\n[[zones]]\nid = "a"\noutline = {outline}\n'
    assert mistakes(text) == [f"zones[0].outline: {found}"]


def test_a_wrong_zone_does_not_make_its_name_unknown() -> None:
    text = f'{HEAD}{ZONES}criticality = 9\n[[doors]]\nsensor = "d"\nfrom = "a"\nto = "c"\n'
    assert [each.split(":")[0] for each in mistakes(text)] == ["zones[2].criticality"]


@pytest.mark.parametrize(
    ("text", "days"), [("mon-fri", (0, 1, 2, 3, 4)), ("sat-mon", (0, 5, 6)), ("wed", (2,)), ("mon, sun", (0, 6))]
)
def test_days(text: str, days: tuple[int, ...]) -> None:
    assert days_of(text) == days


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\xff", "is not UTF-8 text"),
        (b"a = [", "is not valid TOML"),
        (b"a = " + b"[" * 9000, "is not valid TOML"),
        (b" " * (MAX_BYTES + 1), "is longer than 8 MiB"),
    ],
    ids=["bytes", "broken", "deep", "long"],
)
def test_file_that_is_none_is_refused(tmp_path: Path, data: bytes, found: str) -> None:
    file = tmp_path / "site.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match=found):
        load_site(file)


def test_names_of_sensors_are_those_of_every_place() -> None:
    names = parse_site(SAMPLE, "sample").sensor_names()
    assert names == {"door-3", "fence-1", "fence-2", "radar-1", "barrier-2", "rpm-2", "ups-1", "xray-1"}


SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("plan.svg", SVG.format("<script/>"), "has an element <script>"),
        ("plan.svg", SVG.format('<image href="#a"/>'), "has an element <image>"),
        ("plan.svg", SVG.format("<foreignObject/>"), "has an element <foreignObject>"),
        ("plan.svg", SVG.format('<rect onclick="x"/>'), "has a script"),
        ("plan.svg", SVG.format('<a href="https://x"/>'), "has an element <a>"),
        ("plan.svg", SVG.format('<use xlink:href="https://x"/>'), "links to something outside itself"),
        ("plan.svg", SVG.format('<rect fill="url(https://x)"/>'), "fetches something from outside itself"),
        ("plan.svg", SVG.format("<style>@import 'x';</style>"), "fetches something from outside itself"),
        ("plan.svg", SVG.format("<style>a { b: u\\72l(x) }</style>"), "fetches something from outside itself"),
        ("plan.svg", '<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG.format(""), "has a DOCTYPE"),
        ("plan.svg", "<html/>", "is no SVG"),
        ("plan.svg", "<svg", "is no XML"),
        ("plan.svg", '<?xml-stylesheet href="x"?>' + SVG.format(""), "has a DOCTYPE or a processing instruction"),
        ("plan.png", "GIF89a", "is no PNG"),
    ],
)
def test_picture_that_runs_or_fetches_is_refused(tmp_path: Path, name: str, data: str, found: str) -> None:
    (tmp_path / name).write_text(data)
    file = tmp_path / "site.toml"
    file.write_text(f'{HEAD}[plan]\nwidth_m = 9\nheight_m = 9\nimage = "{name}"\n')
    with pytest.raises(ConfigError) as caught:
        load_site(file)
    (problem,) = caught.value.problems
    assert problem.key == "plan.image"
    assert found in problem.message


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plan.svg", SVG.format('<defs><g id="a"/></defs><use href="#a"/><rect fill="url(#g)"/>').encode()),
        ("plan.png", b"\x89PNG\r\n\x1a\n"),
    ],
)
def test_picture_that_only_draws_is_taken(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    file = tmp_path / "site.toml"
    file.write_text(f'{HEAD}[plan]\nwidth_m = 9\nheight_m = 9\nimage = "{name}"\n')
    assert load_site(file).plan is not None


def test_picture_that_is_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(f'{HEAD}[plan]\nwidth_m = 9\nheight_m = 9\nimage = "none.svg"\n')
    with pytest.raises(ConfigError, match=r"plan\.image: none\.svg cannot be read: No such file"):
        load_site(file)


def test_unknown_keys_are_refused_at_every_level() -> None:
    for where, _ in _tables(HubSite):
        assert where.model_config["extra"] == "forbid"


def _tables(model: type[BaseModel]) -> list[tuple[type[BaseModel], Any]]:
    found: list[tuple[type[BaseModel], Any]] = [(model, None)]
    for field in model.model_fields.values():
        for kind in types_in(field.annotation):
            if isinstance(kind, type) and issubclass(kind, Section):
                found += _tables(kind)
    return found
