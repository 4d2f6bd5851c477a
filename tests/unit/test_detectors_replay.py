"""Replaying recordings, from the command line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from hubwatch_core.wire import decode_detection, encode
from hubwatch_detectors.cli import app
from hubwatch_detectors.config import Settings
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.replay import Ended, Replay, decode_line
from support.detectors_hub import SimulatedHub, birth
from support.detectors_stories import attacked, quiet


def recorded(hub: SimulatedHub) -> list[bytes]:
    """Give the lines of a recording."""
    return [encode(birth()) + b"\n", *(encode(frame) + b"\n" for frame in hub.frames())]


RECORDING = recorded(attacked())


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "recording.ndjson"
    file.write_bytes(b"".join(RECORDING))
    return file


def test_recording_gives_its_detections_with_their_ends(recording: Path) -> None:
    result = CliRunner().invoke(app, ["replay", str(recording)])
    assert result.exit_code == 0
    found = [decode_detection(line.encode()) for line in result.stdout.splitlines()]
    assert {each.type for each in found} == {
        "radiation.gamma",
        "radiation.neutron",
        "access.brute_force",
        "access.forced",
        "access.held",
        "perimeter.intrusion",
        "integrity.value_frozen",
    }
    assert all(each.end is not None for each in found if each.type != "perimeter.intrusion")


def test_standard_input_and_file_give_the_same_twice(recording: Path) -> None:
    once = CliRunner().invoke(app, ["replay", str(recording)]).stdout
    again = CliRunner().invoke(app, ["replay", "-"], input=b"".join(RECORDING)).stdout
    assert once == again
    assert once


def test_configuration_decides_what_is_found(recording: Path, tmp_path: Path) -> None:
    config = tmp_path / "d.toml"
    config.write_text(
        "[access]\nenabled = false\n"
        '[[neighbours]]\nhub = "rotterdam"\nfrom = "fence-1"\nto = "fence-2"\ndistance_m = 6\n'
    )
    output = CliRunner().invoke(app, ["replay", str(recording), "-c", str(config)]).stdout
    assert "perimeter.crossing" in output
    assert "access." not in output


def test_quiet_recording_gives_nothing(tmp_path: Path) -> None:
    file = tmp_path / "quiet.ndjson"
    file.write_bytes(b"".join(recorded(quiet())))
    result = CliRunner().invoke(app, ["replay", str(file)])
    assert (result.exit_code, result.stdout) == (0, "")


def test_lines_that_cannot_be_read_are_told_and_the_others_judged(recording: Path) -> None:
    plain = CliRunner().invoke(app, ["replay", str(recording)]).stdout
    lines = list(RECORDING)
    lines[5:5] = [b"{\n", b"\n", b'{"v":1,"inventory":3}\n', b'"inventory"\n', b"\xff\xfe\n"]
    recording.write_bytes(b"".join(lines))
    result = CliRunner().invoke(app, ["replay", str(recording)])
    assert result.exit_code == 0
    assert result.stdout == plain
    assert [line.rsplit(":", 2)[-2] for line in result.stderr.splitlines() if "recording" in line]
    assert f"{recording}:6: " in result.stderr
    assert f"{recording}:10: " in result.stderr
    assert result.stderr.count(f"{recording}:") == 4


def test_file_that_is_no_recording_or_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir\n")
    letter = CliRunner().invoke(app, ["replay", str(tmp_path / "letter.txt")])
    missing = CliRunner().invoke(app, ["replay", str(tmp_path / "missing")])
    assert (letter.exit_code, missing.exit_code) == (1, 1)
    assert "is no recording: none of its 1 lines could be read" in letter.stderr
    assert "cannot be opened: No such file or directory" in missing.stderr


def test_file_without_line_breaks_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    with endless.open("wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no room on the disk
    result = CliRunner().invoke(app, ["replay", str(endless)])
    assert result.exit_code == 1
    assert "is no recording: a line of it is longer than" in result.stderr


def test_last_line_needs_no_line_break(recording: Path) -> None:
    plain = CliRunner().invoke(app, ["replay", str(recording)]).stdout
    recording.write_bytes(recording.read_bytes().rstrip(b"\n"))
    assert CliRunner().invoke(app, ["replay", str(recording)]).stdout == plain


def test_frame_that_speaks_of_an_inventory_is_no_birth() -> None:
    frame = next(iter(quiet().frames()))
    text = encode(frame).replace(b'"events":[]', b"")[:-1] + b',"note":"the \\"inventory\\" is late"}'
    assert decode_line(text) == frame


def test_detections_come_in_order_and_wait_for_those_before_them() -> None:
    found = list(Replay(Engine(Settings().rules())).run(RECORDING))
    first, second = found[:2]
    ended = Ended()
    assert list(ended.add([msgspec.structs.replace(first, end=None), second])) == []
    assert list(ended.rest()) == [msgspec.structs.replace(first, end=None), second]
    assert [each.id for each in found] == list(dict.fromkeys(each.id for each in found))
