"""`hubwatch wire cat`: either version of the wire format as lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from time import process_time

import pytest

from hubwatch_core import wire
from hubwatch_core.packed_frame import encode_packed
from hubwatch_core.packing import unpacked
from hubwatch_core.signing import wrapped
from hubwatch_ops.wire import frames_in, line_of
from support.packed_cases import EPOCH, GOLDEN, SENT

JSON = wire.encode(wire.Frame(1, "h", "a", EPOCH, 1, SENT, series=[wire.Series("s", "c", SENT, [0], [1.5])]))
PACKED = encode_packed(GOLDEN["every-quality"])


@pytest.mark.parametrize("name", GOLDEN)
def test_packed_frame_is_printed_with_every_reading(name: str) -> None:
    printed = json.loads(line_of(encode_packed(GOLDEN[name])))
    assert printed.pop("packed")
    assert printed == json.loads(wire.encode(unpacked(GOLDEN[name])))


@pytest.mark.parametrize("name", sorted(GOLDEN.keys() - {"device-times-far"}))  # 285 years are more than replay takes
def test_printed_frame_can_be_replayed(name: str) -> None:
    assert wire.decode_frame(line_of(encode_packed(GOLDEN[name])).encode()) == unpacked(GOLDEN[name])


def test_signed_frame_is_printed_without_its_proof() -> None:
    assert line_of(wrapped(PACKED, "proof")) == line_of(PACKED)


def test_frames_of_both_versions_stand_one_behind_the_other_in_a_file() -> None:
    signed = wrapped(PACKED, "proof")
    together = JSON + b"\n" + PACKED + signed + PACKED + b"\n" + JSON + b"\n"
    assert list(frames_in(together)) == [JSON, PACKED, signed, PACKED, JSON]


def test_frame_of_a_long_file_costs_no_more_than_one_of_a_short() -> None:
    short, long = min(_seconds(500) for _ in range(3)), _seconds(20_000)
    assert long < 40 * short * 8


def _seconds(frames: int) -> float:
    data, began = PACKED * frames, process_time()
    assert sum(1 for _ in frames_in(data)) == frames
    return process_time() - began


def test_what_is_cut_off_is_one_frame_that_cannot_be_read() -> None:
    assert list(frames_in(PACKED + PACKED[:-3])) == [PACKED, PACKED[:-3]]


def _cat(*arguments: str, given: bytes = b"") -> tuple[int, list[str], str]:
    command = [sys.executable, "-m", "hubwatch_ops", "wire", "cat", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def test_cat_prints_a_file_and_standard_input_and_says_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "frames").write_bytes(JSON + b"\n" + PACKED)
    code, lines, said = _cat(str(tmp_path / "frames"))
    assert (code, ["packed" in json.loads(line) for line in lines], said) == (0, [False, True], "")
    code, lines, said = _cat("-", given=PACKED + PACKED[:-3])
    assert (code, len(lines)) == (1, 1)
    assert said == "frame 2: Input data was truncated\n"
