"""What drivers keep over a restart: written a moment later, replaced whole, set aside when damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hubwatch_agents.drivers import checkpoints as marks_module
from hubwatch_agents.drivers.checkpoints import MOMENT_S, Checkpoints


class Clock:
    """Seconds, as the test sets them."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_value_is_there_after_a_restart(tmp_path: Path) -> None:
    marks = Checkpoints(tmp_path / "marks.json")
    marks.put("events a", {"last": 7})
    marks.close()
    assert Checkpoints(tmp_path / "marks.json").get("events a") == {"last": 7}


def test_value_is_written_only_a_moment_after_it_was_put(tmp_path: Path) -> None:
    path, clock = tmp_path / "marks.json", Clock()
    marks = Checkpoints(path, clock)
    marks.put("a", 1)
    marks.save()
    assert not path.exists()
    marks.put("a", 2)
    clock.now += MOMENT_S
    marks.save()
    assert Checkpoints(path).get("a") == 1, "2 was put just now"
    clock.now += MOMENT_S
    marks.save()
    assert Checkpoints(path).get("a") == 2


def test_nothing_new_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    marks = Checkpoints(path)
    marks.put("a", 1)
    marks.close()
    path.unlink()
    marks.put("a", 1)
    marks.close()
    assert not path.exists()


@pytest.mark.parametrize("damage", ["", "{", "[1]", "\x00" * 40])
def test_damaged_file_is_set_aside_and_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "marks.json"
    path.write_text(damage)
    with capture_logs() as logs:
        marks = Checkpoints(path)
    assert marks.get("a") is None
    assert [log["log_level"] for log in logs] == ["error"]
    assert (tmp_path / "marks.damaged").read_text() == damage


def test_full_disk_is_told_once_and_once_when_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, clock = tmp_path / "marks.json", Clock()
    marks = Checkpoints(path, clock)

    def full(_path: Path, _text: str) -> None:
        raise OSError(28, "No space left on device")

    def pass_time() -> None:
        for _ in range(3):
            clock.now += MOMENT_S
            marks.save()

    with capture_logs() as logs:
        with monkeypatch.context() as patch:
            patch.setattr(marks_module, "_replace", full)
            marks.put("a", 1)
            pass_time()
            pass_time()
        pass_time()
    assert [log["log_level"] for log in logs] == ["warning", "info"]
    assert Checkpoints(path).get("a") == 1


def test_without_a_path_values_live_as_long_as_the_agent() -> None:
    marks = Checkpoints()
    marks.put("a", 1)
    marks.save()
    marks.close()
    assert marks.get("a") == 1
