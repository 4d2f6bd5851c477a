"""Databases of tests go into memory only where it is there and ample."""

from __future__ import annotations

from pathlib import Path

from support.memory_disk import memory_disk


def test_a_folder_with_room_is_taken(tmp_path: Path) -> None:
    assert memory_disk(tmp_path, room=1) == tmp_path


def test_a_folder_without_room_is_left_alone(tmp_path: Path) -> None:
    assert memory_disk(tmp_path, room=1 << 60) is None


def test_a_folder_that_is_missing_is_done_without(tmp_path: Path) -> None:
    assert memory_disk(tmp_path / "missing") is None
