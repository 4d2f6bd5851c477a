"""Parameters of profiles, and what the library says about wrong maps."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from hubwatch_agents.config.library import Library, check
from hubwatch_agents.profiles.parameters import Value, fill, references
from hubwatch_core.errors import ConfigError


@pytest.mark.parametrize(
    ("tree", "filled"),
    [
        ({"address": "$base"}, {"address": 100}),
        ({"address": "$base+201"}, {"address": 301}),
        ({"address": "$base*14-13"}, {"address": 1387}),
        ({"address": "$base*8192+$bit*256"}, {"address": 100 * 8192 + 3 * 256}),
        ({"topic": "{root}/tele/sensor"}, {"topic": "geiger/tele/sensor"}),
        ({"any_of_bits": ["$bit"], "invert": "$flag"}, {"any_of_bits": [3], "invert": True}),
        ({"device": "$nothing", "x": 1}, {"x": 1}),
        ({"address": "$nothing+5"}, {}),
        ({"events": [{"only_if": "$nothing", "a": 1}, {"only_if": "$bit", "b": 2}]}, {"events": [{"b": 2}]}),
        ({"events": [{"only_if": "$off", "a": 1}]}, {"events": []}),
        (
            {"channels": [{"repeat": {"n": [1, 3]}, "name": "gas.{n}", "address": "$n*10"}]},
            {"channels": [{"name": f"gas.{n}", "address": 10 * n} for n in (1, 2, 3)]},
        ),
        ({"text": "costs $ 5"}, {"text": "costs $ 5"}),
    ],
)
def test_references_are_replaced(tree: dict[str, object], filled: dict[str, object]) -> None:
    values: dict[str, Value | None] = {
        "base": 100,
        "bit": 3,
        "root": "geiger",
        "flag": True,
        "nothing": None,
        "off": False,
    }
    assert fill(tree, values) == filled


def test_references_of_a_tree_leave_out_what_is_repeated() -> None:
    tree = {"channels": [{"repeat": {"n": [1, 2]}, "address": "$n*10+$step+$base", "topic": "{root}/{n}"}]}
    assert references(tree) == {"step", "base", "root"}


def test_undeclared_reference_is_told_by_its_name() -> None:
    with pytest.raises(KeyError, match="colour"):
        fill({"address": "$colour"}, {})


HEAD = """
id = "{id}"
title = "a map"
kind = "environment"
protocol = "modbus"
source = ["a test"]
confidence = "C"
"""


def problems(folder: Path, body: str, name: str = "wrong") -> list[str]:
    (folder / "wrong.toml").write_text(HEAD.format(id=name) + body, encoding="utf-8")
    try:
        return [str(problem) for problem in check(Library([folder]).map("wrong"))]
    except ConfigError as error:
        return [str(problem) for problem in error.problems]


CHANNEL = '[[channels]]\nname = "t"\nunit = "°C"\naddress = 1\n'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "a profile needs a channel or an event"),
        (CHANNEL + CHANNEL, "channel t is there twice"),
        (CHANNEL + "any_of_bits = [16]\n", "a u16 has bits 0 to 15"),
        (CHANNEL + "mask = 0x1FFFF\n", "the mask is wider than a u16"),
        (CHANNEL + 'type = "f32"\nany_of_bits = [1]\n', "a f32 has no bits to test"),
        (CHANNEL + 'type = "ascii"\n', "need a length"),
        (CHANNEL + "function = 2\n", "functions 1 and 2 read type bit"),
        (CHANNEL.replace("address = 1", "address = 65535") + 'type = "u32"\n', "run over the last address"),
        (CHANNEL + "colour = 1\n", "channels[0].colour: unknown key"),
        (CHANNEL + '[[quality]]\naddress = 1\nreason = "x"\nchannels = ["u"]\n', "names the channel u"),
        (CHANNEL + "[[blocks]]\naddress = 0\ncount = 126\n", "at most 125 registers"),
        (CHANNEL + "[[blocks]]\naddress = 65530\ncount = 10\n", "runs over the last address"),
        (CHANNEL + '[[events]]\nevent = "e"\non = "rise"\naddress = 1\nacknowledge = "x"\n', "which is no command"),
        (CHANNEL + '[parameters.unused]\ndescription = "d"\nexample = 1\n', "parameters.unused: is used nowhere"),
        (CHANNEL.replace("address = 1", 'address = "$p"') + '[parameters.p]\ndescription = "d"\n', "needs an example"),
        (CHANNEL.replace("address = 1", 'address = "$p"'), "refers to $p, not declared"),
        (CHANNEL + "[parameters.p]\ncolour = 1\n", "parameters.p.colour: unknown key"),
        (CHANNEL.replace("address = 1", "address = = 1"), "is not valid TOML"),
    ],
)
def test_mistake_of_a_map_is_told_with_its_place(tmp_path: Path, body: str, said: str) -> None:
    found = problems(tmp_path, body)
    assert any(said in line for line in found), found
    assert all("wrong.toml" in line for line in found)


def test_several_mistakes_of_a_map_are_told_at_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, CHANNEL.replace("address = 1", "address = -1") + "scale = 'x'\ncolour = 1\n")) == 3


def test_map_must_be_named_as_its_file(tmp_path: Path) -> None:
    assert "id: must be wrong" in problems(tmp_path, CHANNEL, name="other")[0]


def test_verified_needs_a_record(tmp_path: Path) -> None:
    head = HEAD.format(id="wrong") + "verified_on_hardware = true\n" + CHANNEL
    (tmp_path / "wrong.toml").write_text(head, encoding="utf-8")
    found = [str(problem) for problem in check(Library([tmp_path]).map("wrong"))]
    assert any("verified_on go together" in line for line in found)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("a = " + "[" * 5000, "is nested too deep"),
        ("a." * 50_000 + "a = 1", "more than 200 dots"),
        ("[" + "a." * 50_000 + "a]", "more than 200 dots"),
        ("x = '" + "x" * 300_000 + "'", "is longer than"),
        ("x = " + "1" * 5000, "is not valid TOML"),
        ("parameters = 5", "parameters: must be a table"),
        ("channels = [{ repeat = { n = [1, 1000000000000] } }]", "must make from 1 to 1024 tables"),
        ("channels = [{ repeat = { n = 4 } }]", "must be its first and last value"),
        ("channels = [{ repeat = 4 }]", "repeat must be a table of one name"),
        ("channels = [{ only_if = 4 }]", "only_if must name a parameter"),
        ("channels = [" + "{}," * 5000 + "]", "of which these are the first 100"),
    ],
)
def test_file_of_any_content_is_told_in_bounded_time(tmp_path: Path, body: str, said: str) -> None:
    began = process_time()
    found = problems(tmp_path, body)
    assert process_time() - began < 5.0  # without the bound 19 s; our own time, so that a busy machine does not count
    assert any(said in line for line in found), found[:3]


def test_mistake_that_a_parameter_makes_is_told_of_the_parameter(tmp_path: Path) -> None:
    body = HEAD.format(id="wrong").replace("modbus", "mqtt") + (
        '[parameters.output]\ntype = "text"\ndescription = "d"\nexample = "1"\n'
        '[[messages]]\ntopic = "switch/output_{output}/state"\n'
    )
    (tmp_path / "wrong.toml").write_text(body, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        Library([tmp_path]).map("wrong").fill({"output": "+"}, "agent.toml", "devices[0].parameters")
    (problem,) = raised.value.problems
    assert (problem.where, problem.key) == ("agent.toml", "devices[0].parameters.output")
    assert "'switch/output_+/state' is no topic filter: + must stand alone between slashes" in problem.message
