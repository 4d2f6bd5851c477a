"""The history as DataFrames and files, on both databases."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from hubwatch_core import wire
from hubwatch_core.clock import now_us, to_datetime
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.words import SensorKind
from hubwatch_store.database import DatabaseSection, open_pool
from hubwatch_store.detections import DetectionBatch, keep
from hubwatch_store.history import Export, ExportFormat, History, days_between
from hubwatch_store.ingest import Writer
from support.store_examples import birth, event, frame, offer, series

BEGAN = now_us() - 60_000_000
START, END = to_datetime(BEGAN), to_datetime(BEGAN + 60_000_000)
MARKS: list[wire.QualityMark] = [0, (1, "estimated"), (2, "sensor")]


def inventory(unit: str = "count") -> list[wire.Sensor]:
    channels = [wire.Channel(name=name, unit=unit) for name in ("gamma.1", "gamma.2", "occupied")]
    return [wire.Sensor(sensor="rpm-2", kind=SensorKind.RADIATION_PORTAL, zone="gate-2", channels=channels)]


@pytest.fixture
async def settings(migrated_database: str) -> DatabaseSection:
    """A database with a passage through a portal, a door's event and a detection."""
    made = DatabaseSection(dsn=migrated_database)
    writer = Writer(made)
    await writer.write([offer(birth(inventory=inventory(), sent=BEGAN))])
    counts = [series(BEGAN, [7.0, None, 30.0], dt=[0, 1_000_000, 2_000_000], q=MARKS)]
    counts += [series(BEGAN, [5.0, 9.0, 6.0], channel="gamma.2", dt=[0, 1_000_000, 2_000_000])]
    counts += [series(BEGAN, [0.0, 1.0, 0.0, 1.0], channel="occupied", dt=[0, 500_000, 1_500_000, 2_500_000])]
    opened = event("door.opened", t=BEGAN + 5, attrs={"by": "=cmd"}, subject="p1:abc")
    await writer.write([offer(frame(1, series=counts, events=[opened], sent=BEGAN + 3_000_000))])
    await writer.close()
    found = wire.Detection(
        id="01JD3ZQ4T8XK6W1M5R9V2B7C0D", type="radiation.gamma", hub="harbour", sensor="rpm-2", subject=None,
        start=BEGAN, end=None, detected=BEGAN + 1, score=6.5, priority=1, detector="radiation_portal", version=1,
        late=False, why="counts", evidence={"counts": 30},
    )  # fmt: skip
    async with open_pool(made) as pool:
        await keep(pool, DetectionBatch([found]))
    return made


async def test_readings_have_their_time_their_quality_and_their_unit(settings: DatabaseSection) -> None:
    with History(settings) as history:
        found = history.readings("harbour", "rpm-2", "gamma.1", START, END)
    assert list(found.index) == [pd.Timestamp(START) + pd.Timedelta(seconds=i) for i in range(3)]
    assert found["value"].tolist()[::2] == [7.0, 30.0]
    assert pd.isna(found["value"].iloc[1])
    assert found["quality"].tolist() == ["good", "uncertain", "bad"]
    assert found["reason"].tolist() == [None, "estimated", "sensor"]
    assert set(found["unit"]) == {"count"}


async def test_what_a_channel_meant_before_is_told_apart(settings: DatabaseSection) -> None:
    writer = Writer(settings)
    await writer.write([offer(birth(inventory=inventory("cps"), sent=BEGAN + 10_000_000))])
    await writer.write([offer(frame(2, series=[series(BEGAN + 11_000_000, [1.0])], sent=BEGAN + 12_000_000))])
    await writer.close()
    with History(settings) as history:
        found = history.readings("harbour", "rpm-2", "gamma.1", START, END)
    assert found["unit"].tolist() == ["count"] * 3 + ["cps"]
    assert found["version"].tolist() == [1, 1, 1, 2]


async def test_no_reading_is_an_empty_table_with_the_same_columns(settings: DatabaseSection) -> None:
    with History(settings) as history:
        none = history.readings("harbour", "rpm-9", "gamma.1", START, END)
        some = history.readings("harbour", "rpm-2", "gamma.1", START, END)
    assert len(none) == 0
    assert none.dtypes.astype(str).to_dict() == some.dtypes.astype(str).to_dict()


async def test_events_and_detections_are_whole(settings: DatabaseSection) -> None:
    with History(settings) as history:
        events = history.events("harbour", START, END, types=["door.opened"])
        assert events["attrs"].tolist() == [{"by": "=cmd"}]
        assert len(history.events("harbour", START, END, types=["door.closed"])) == 0
        found = history.detections("harbour", START, END)
    assert found["evidence"].tolist() == [{"counts": 30}]
    assert found["end"].isna().all()


async def test_occupancies_are_passages_with_their_highest_counts(settings: DatabaseSection) -> None:
    with History(settings) as history:
        found = history.occupancies("harbour", "rpm-2", START, END)
    assert found["seconds"].tolist()[0] == 1.0
    assert pd.isna(found["end"].iloc[1]), "the second passage is not over"
    assert found["gamma_max"].tolist()[0] == 9.0, "what is bad or missing counts for nothing"


async def test_a_question_without_bounds_is_refused(settings: DatabaseSection) -> None:
    with History(settings, max_rows=2) as history, pytest.raises(BadCall, match="more than 2 rows"):
        history.readings("harbour", "rpm-2", "gamma.1", START, END)
    with History(settings) as history:
        with pytest.raises(BadCall, match="no time zone"):
            history.readings("harbour", "rpm-2", "gamma.1", START.replace(tzinfo=None), END)
        with pytest.raises(BadCall, match="is not after"):
            history.readings("harbour", "rpm-2", "gamma.1", END, START)


def exported(settings: DatabaseSection, order: Export, now: datetime = END) -> tuple[dict[str, int], list[str]]:
    """Return how many rows were written, and into which files."""
    for file in order.folder.glob("*/*"):
        os.utime(file, (0, 0))
    with History(settings) as history:
        rows = order.run(history, days_between(START, END), now)
    written = sorted(file for file in order.folder.glob("*/*") if file.stat().st_mtime > 0)
    return rows, [f"{file.parent.name}/{file.name}" for file in written]


@pytest.mark.parametrize("form", list(ExportFormat))
async def test_files_hold_what_is_stored(settings: DatabaseSection, tmp_path: Path, form: ExportFormat) -> None:
    rows, written = exported(settings, Export("harbour", tmp_path / "out", form))
    assert rows == {"readings": 10, "events": 1, "detections": 1}
    assert len(written) == 3 * len(days_between(START, END))
    read = pd.read_parquet if form is ExportFormat.PARQUET else pd.read_csv
    files = sorted((tmp_path / "out" / "readings").iterdir())
    table = pd.concat([read(file) for file in files])
    assert table["value"].sum() == 7 + 30 + 5 + 9 + 6 + 2
    assert set(table["quality"]) == {"good", "uncertain", "bad"}


async def test_days_that_are_over_are_written_once(settings: DatabaseSection, tmp_path: Path) -> None:
    order = Export("harbour", tmp_path / "out")
    later = END + timedelta(days=2)
    (_, first), (_, today) = exported(settings, order), exported(settings, order, later)
    assert set(today) <= set(first)
    assert today, "the day was not over when it was first written"
    assert exported(settings, order, later) == ({"readings": 0, "events": 0, "detections": 0}, [])


async def test_an_export_that_was_cut_off_goes_on(settings: DatabaseSection, tmp_path: Path) -> None:
    order, later = Export("harbour", tmp_path / "out"), END + timedelta(days=2)
    _, first = exported(settings, order, later)
    (tmp_path / "out" / first[1]).rename(tmp_path / "out" / (first[1] + ".part"))
    assert exported(settings, order, later)[1] == [first[1]]
    assert not list((tmp_path / "out").rglob("*.part"))


async def test_no_export_mixes_with_another(settings: DatabaseSection, tmp_path: Path) -> None:
    exported(settings, Export("harbour", tmp_path / "out"))
    with pytest.raises(BadCall, match="something else"):
        exported(settings, Export("harbour", tmp_path / "out", sensors=("rpm-2",)))
    with pytest.raises(BadCall, match="is not empty"):
        exported(settings, Export("harbour", tmp_path))
    (tmp_path / "out" / "export.json").write_text('{"unfinished": 3}')
    with pytest.raises(BadCall, match="cannot be read"):
        exported(settings, Export("harbour", tmp_path / "out"))


async def test_a_folder_that_cannot_be_written_is_told(settings: DatabaseSection, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(Permanent, match="cannot be written"):
        exported(settings, Export("harbour", tmp_path / "out"))


def test_days_are_those_of_the_span() -> None:
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert days_between(noon, datetime(2026, 11, 3, tzinfo=UTC)) == [date(2026, 11, 1), date(2026, 11, 2)]
    assert json.dumps([str(day) for day in days_between(noon, noon + timedelta(hours=1))]) == '["2026-11-01"]'
