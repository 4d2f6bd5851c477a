"""What a hub gives out is signed: whatever is changed afterwards is found, with the public key and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from hubwatch_core.errors import Permanent
from hubwatch_core.signed_files import check, sign
from hubwatch_core.signing_key import make_key
from hubwatch_ops.cli import build

RECORDING = b'{"v":1,"hub":"harbour","inventory":[]}\n{"v":1,"hub":"harbour","seq":1}\n'


class Hub:
    """Somebody with a key."""

    def __init__(self, folder: Path, name: str) -> None:
        self.key, self.public = folder / f"{name}.key", folder / f"{name}.pub"
        public = make_key(self.key).public_key()
        self.public.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path, "hub")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "night.ndjson"
    file.write_bytes(RECORDING)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "export"
    (made / "readings").mkdir(parents=True)
    (made / "export.json").write_text("{}\n")
    (made / "readings" / "2026-11-01.csv").write_text("time,value\n")
    (made / "readings" / "2026-11-02.csv").write_text("time,value\n1,2\n")
    return made


def is_found(path: Path, hub: Hub) -> bool:
    try:
        return bool(check(path, hub.public)[1])
    except Permanent:
        return True


def test_no_bit_of_a_file_or_of_its_signature_can_be_another(hub: Hub, recording: Path) -> None:
    signature = sign(recording, "recording", hub.key)
    said, faults = check(recording, hub.public)
    assert (said.what, [each.name for each in said.files], faults) == ("recording", ["night.ndjson"], [])
    unseen = []
    for file in (recording, signature):
        was = file.read_bytes()
        for at in range(len(was)):
            for bit in (1, 32):
                file.write_bytes(was[:at] + bytes([was[at] ^ bit]) + was[at + 1 :])
                if not is_found(recording, hub):
                    unseen.append((file.name, at, bit))
        for other in (b"", was[:-1], was + b"x", was + b"\n", b"\n" + was, was * 2):
            file.write_bytes(other)
            if not is_found(recording, hub):
                unseen.append((file.name, len(other), 0))
        file.write_bytes(was)
    assert unseen == []
    assert check(recording, hub.public)[1] == []


def test_files_of_a_folder_that_were_changed_taken_away_added_or_swapped_are_named(hub: Hub, folder: Path) -> None:
    sign(folder, "export", hub.key)
    first, second = (folder / "readings" / f"2026-11-0{day}.csv" for day in (1, 2))
    kept = {file: file.read_bytes() for file in (first, second)}

    def faults() -> list[str]:
        found = check(folder, hub.public)[1]
        for file, was in kept.items():
            file.unlink(missing_ok=True)
            file.write_bytes(was)
        return found

    first.write_text("time,value\n9,9\n")
    assert faults() == ["readings/2026-11-01.csv is another"]
    first.unlink()
    assert faults() == ["readings/2026-11-01.csv is gone"]
    first.write_bytes(kept[second])
    second.write_bytes(kept[first])
    assert faults() == ["readings/2026-11-01.csv is another", "readings/2026-11-02.csv is another"]
    (folder / "readings" / "2026-11-03.csv").write_text("time,value\n")
    assert faults() == ["readings/2026-11-03.csv was not there"]
    (folder / "readings" / "2026-11-03.csv").unlink()
    assert faults() == []


def test_only_the_key_that_is_trusted_counts(hub: Hub, recording: Path, tmp_path: Path) -> None:
    stranger = Hub(tmp_path, "stranger")
    with pytest.raises(Permanent, match="it is not signed"):
        check(recording, hub.public)
    signature = sign(recording, "recording", stranger.key)
    with pytest.raises(Permanent, match=r"was not signed with the key of .*hub\.pub, or was changed"):
        check(recording, hub.public)
    theirs = signature.read_bytes()
    sign(recording, "recording", hub.key)
    ours = signature.read_bytes()
    signature.write_bytes(theirs.split(b"\n")[0] + b"\n" + ours.split(b"\n")[1] + b"\n")
    with pytest.raises(Permanent, match="was not signed"):
        check(recording, hub.public)


def test_signature_of_one_file_is_none_of_another(hub: Hub, recording: Path, tmp_path: Path) -> None:
    other = tmp_path / "day.ndjson"
    other.write_bytes(RECORDING)
    other.with_name("day.ndjson.signature").write_bytes(sign(recording, "recording", hub.key).read_bytes())
    assert check(other, hub.public)[1] == ["day.ndjson was not there", "night.ndjson is gone"]


def test_link_and_what_is_no_file_are_not_read(hub: Hub, folder: Path) -> None:
    (folder / "elsewhere").symlink_to("/etc/hostname")
    with pytest.raises(Permanent, match="elsewhere cannot be read"):
        sign(folder, "export", hub.key)
    (folder / "elsewhere").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(Permanent, match="pipe is no file"):
        sign(folder, "export", hub.key)


def test_folder_as_deep_as_paths_may_be_is_read(hub: Hub, folder: Path) -> None:
    levels = [f"{folder}/{'/'.join(['d'] * depth)}" for depth in range(1, 1501)]
    for level in levels:
        os.mkdir(level)
    file = Path(levels[-1], "file")
    file.write_text("deep")
    sign(folder, "export", hub.key)
    assert check(folder, hub.public)[1] == []
    file.write_text("other")
    assert check(folder, hub.public)[1] == [f"{file.relative_to(folder)} is another"]
    file.unlink()
    for level in reversed(levels):  # what takes folders away afterwards goes down level by level, and not so deep
        os.rmdir(level)


def test_file_whose_name_is_no_text_is_refused_and_found(hub: Hub, folder: Path) -> None:
    sign(folder, "export", hub.key)
    strange = os.fsencode(folder) + b"/\xff"
    with open(strange, "wb"):
        pass
    run = CliRunner().invoke(build(["verify"]), ["verify", str(folder), "--trusted-key", str(hub.public)])
    assert (run.exit_code, "was not there" in run.output) == (5, True)
    with pytest.raises(Permanent, match="name is no text"):
        sign(folder, "export", hub.key)


def test_commands_sign_and_check(hub: Hub, recording: Path) -> None:
    run = CliRunner().invoke
    signed = run(build(["sign"]), ["sign", str(recording), "--sign-key", str(hub.key)])
    assert (signed.exit_code, "night.ndjson.signature" in signed.output) == (0, True)
    checked = run(build(["verify"]), ["verify", str(recording), "--trusted-key", str(hub.public)])
    assert (checked.exit_code, "recording, signed " in checked.output) == (0, True)
    assert "everything is as it was signed" in checked.output
    recording.write_bytes(RECORDING + b"{}\n")
    checked = run(build(["verify"]), ["verify", str(recording), "--trusted-key", str(hub.public)])
    assert (checked.exit_code, "night.ndjson is another" in checked.output) == (5, True)
