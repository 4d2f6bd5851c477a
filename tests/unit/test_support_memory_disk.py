"""Databases of tests go into memory only where it is there and ample."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from support import memory_disk as module
from support.memory_disk import memory_disk, memory_limits

TIMESCALE_SH = Path(__file__).parents[2] / "ops" / "dev" / "lib" / "timescaledb.sh"


def _disk(monkeypatch: pytest.MonkeyPatch, flags: int = 0, limits: tuple[int, ...] = ()) -> None:
    """Let every folder be on such a disk, whatever the machine's own is mounted with."""
    found = SimpleNamespace(f_bavail=1 << 20, f_frsize=4096, f_flag=flags)
    monkeypatch.setattr(os, "statvfs", lambda _: found)
    monkeypatch.setattr(module, "memory_limits", lambda: iter(limits))


def test_a_folder_with_room_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _disk(monkeypatch)
    assert memory_disk(tmp_path, room=1) == tmp_path
    assert memory_disk(tmp_path, room=1 << 60) is None


def test_a_folder_that_is_closed_to_programs_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _disk(monkeypatch, os.ST_NOEXEC)
    assert memory_disk(tmp_path, room=1) is None


def test_limit_of_the_container_counts_though_the_machine_has_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _disk(monkeypatch, limits=(1 << 40, 1000))
    assert memory_disk(tmp_path, room=1000) == tmp_path
    assert memory_disk(tmp_path, room=1001) is None


def test_a_folder_that_is_missing_is_done_without(tmp_path: Path) -> None:
    assert memory_disk(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("own", "name"),
    [("0::/a/b\n", "memory.max"), ("4:memory:/a/b\n3:cpu:/\n0::/\n", "memory/memory.limit_in_bytes")],
)
def test_limits_are_those_of_every_group_around_the_process(tmp_path: Path, own: str, name: str) -> None:
    (tmp_path / "own").write_text(own, encoding="utf-8")
    top, file = (tmp_path / name).parent, Path(name).name
    for folder, limit in {"a/b": "max", "a": "3000", ".": "7000", "c": "1"}.items():
        (top / folder).mkdir(parents=True, exist_ok=True)
        (top / folder / file).write_text(limit + "\n", encoding="utf-8")
    assert sorted(memory_limits(tmp_path / "own", tmp_path)) == [3000, 7000]
    assert list(memory_limits(tmp_path / "missing", tmp_path)) == []


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_server_for_tests_keeps_to_the_limit_of_the_container(tmp_path: Path, name: str) -> None:
    def is_ample(limit: int) -> bool:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{limit}\n", encoding="utf-8")
        (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 8388608 kB\n", encoding="utf-8")
        call = 'SERVICES=/nowhere; . "$0"; memory_is_ample "$1" "$1/meminfo"'
        return subprocess.run(["bash", "-c", call, TIMESCALE_SH, tmp_path], check=False).returncode == 0

    assert is_ample(5 << 30)
    assert not is_ample(3 << 30)
