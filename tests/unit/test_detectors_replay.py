"""Replaying recordings, from the command line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from hubwatch_core.time_limits import DAY_US
from hubwatch_core.wire import Clear, decode_detection, encode
from hubwatch_detectors.cli import app
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.replay import Ended, Replay, decode_line, moved
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_site import Neighbour, draft
from support.detectors_hub import SimulatedHub, birth
from support.detectors_stories import attacked, quiet


def recorded(hub: SimulatedHub) -> list[bytes]:
    """Return the lines of a recording."""
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
        "radiation.norm",
        "radiation.background",
        "access.brute_force",
        "access.forced",
        "access.held",
        "perimeter.intrusion",
        "perimeter.nuisance",
        "perimeter.masked",
        "radiation.area",
        "chemical.concentration",
        "chemical.alarm",
        "chemical.precursor",
        "screening.alarm",
        "screening.degraded",
        "integrity.value_frozen",
    }
    lasting = {"perimeter.nuisance", "screening.degraded"}
    assert all(each.end is not None for each in found if each.type not in lasting)


def test_standard_input_and_file_give_the_same_twice(recording: Path) -> None:
    once = CliRunner().invoke(app, ["replay", str(recording)]).stdout
    again = CliRunner().invoke(app, ["replay", "-"], input=b"".join(RECORDING)).stdout
    assert once == again
    assert once


def test_configuration_decides_what_is_found(recording: Path, tmp_path: Path) -> None:
    config = tmp_path / "d.toml"
    config.write_text("[access]\nenabled = false\n")
    output = CliRunner().invoke(app, ["replay", str(recording), "-c", str(config)]).stdout
    assert "perimeter.intrusion" in output
    assert "access." not in output


def site_file(folder: Path, hub: str, name: str = "site.toml") -> Path:
    (folder / name).write_text(draft(hub, [], [Neighbour(hub, "fence-1", "fence-2", 6.0)]))
    return folder / name


def replayed(recording: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["replay", str(recording), *arguments])


def test_crossing_is_found_only_with_the_site_of_the_hub(recording: Path, tmp_path: Path) -> None:
    ours, other = site_file(tmp_path, "rotterdam"), site_file(tmp_path, "antwerp", "other.toml")
    assert "perimeter.crossing" not in replayed(recording).stdout
    assert "perimeter.crossing" not in replayed(recording, "--site", str(other)).stdout
    assert "perimeter.crossing" in replayed(recording, "--site", str(other), "--site", str(ours)).stdout


def test_site_that_is_wrong_or_there_twice_is_refused_before_anything_is_judged(
    recording: Path, tmp_path: Path
) -> None:
    ours = site_file(tmp_path, "rotterdam")
    twice = replayed(recording, "--site", str(ours), "--site", str(ours))
    assert (twice.exit_code, twice.stdout) == (2, "")
    assert "hub rotterdam has a site already" in twice.stderr
    ours.write_text('[hub]\nid = "x"\n')
    wrong = replayed(recording, "--site", str(ours))
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "hub.time_zone: is required" in wrong.stderr


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
    found = list(Replay(Engine(DetectorsSettings().rules())).run(RECORDING))
    first, second = found[:2]
    ended = Ended()
    assert list(ended.add([msgspec.structs.replace(first, end=None), second])) == []
    assert list(ended.rest()) == [msgspec.structs.replace(first, end=None), second]
    assert [each.id for each in found] == list(dict.fromkeys(each.id for each in found))


def test_many_lines_that_cannot_be_read_are_told_as_ten_and_a_count(recording: Path) -> None:
    recording.write_bytes(b"".join([*RECORDING[:50], *[b"{\n"] * 25, *RECORDING[50:]]))
    result = CliRunner().invoke(app, ["replay", str(recording)])
    assert result.exit_code == 0
    assert result.stderr.count(f"{recording}:") == 11
    assert f"{recording}: 25 lines could not be read; these are the first of them" in result.stderr


def test_recording_from_before_2010_is_judged_in_its_own_time(recording: Path, tmp_path: Path) -> None:
    plain = CliRunner().invoke(app, ["replay", str(recording)]).stdout
    old = tmp_path / "old.ndjson"
    days = 9000
    old.write_bytes(b"\n".join(moved(line, -days * DAY_US) for line in RECORDING))
    refused = CliRunner().invoke(app, ["replay", str(old)])
    assert refused.exit_code == 1
    result = CliRunner().invoke(app, ["replay", str(old), "--shift", str(days)])
    assert result.exit_code == 0
    then, now = ([msgspec.json.decode(line) for line in each.splitlines()] for each in (result.stdout, plain))
    assert [(each["type"], each["start"] + days * DAY_US) for each in then] == [
        (each["type"], each["start"]) for each in now
    ]
    assert then[0]["detected"] + days * DAY_US == now[0]["detected"]


def test_what_is_no_message_is_not_moved() -> None:
    for line in (b"{", b"[]", b"3", b'{"sent":"x"}', b'{"sent":1,"series":[3]}', b'{"sent":1,"events":7}'):
        assert moved(line, 5) == line


def test_detection_has_the_highest_score_up_to_its_end() -> None:
    first = next(iter(Replay(Engine(DetectorsSettings().rules())).run(RECORDING)))
    begun = msgspec.structs.replace(first, end=None, score=6.1)
    (told,) = Ended().add([begun, Clear(first.id, first.start + 1, first.start + 1, score=50.0)])
    assert (told.score, told.end) == (50.0, first.start + 1)
