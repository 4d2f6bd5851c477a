"""Takes the pictures of the boards that stand in the documentation (`make board-pictures`)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hubwatch_ops.embedded import running_postgres
from support.alarms_database import hands_on
from support.board_drawing import drawn
from support.board_reader import BOARDS, Grafana, board_json, reading
from support.console_hub import (
    HUB,
    a_bad_morning,
    alarmed,
    at_work,
    door_history,
    former_readings,
    hub_there,
    passage_readings,
)
from support.databases import fresh_database, migrated_template
from support.grafana_macros import View, expand
from support.ports import free_port

FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "boards"
RANGES = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def picture(grafana: Grafana, name: str) -> str:
    """Return the picture of a board on what its queries answer now."""
    board, now, answers = board_json(name), datetime.now(UTC), {}
    for panel in board["panels"]:
        for target in panel["targets"]:
            span = _span(panel.get("timeFrom") or board["time"]["from"].removeprefix("now-"))
            rows = grafana.connection.execute(_asked(grafana, target["rawSql"], now, span)).fetchall()
            answers[panel["title"], target["refId"]] = rows
    return drawn(board, answers, now)


def _asked(grafana: Grafana, sql: str, now: datetime, span: timedelta) -> bytes:
    def chosen(query: str) -> list[Any]:
        return [next(iter(row.values())) for row in grafana.connection.execute(query.encode())]

    zones = chosen(f"SELECT value FROM hubwatch.board_zone_names('{{{HUB}}}')")
    sensors = chosen(f"SELECT value FROM hubwatch.board_sensor_names('{{{HUB}}}', NULL)")
    view = View(now - span, now, max(span / 600, timedelta(seconds=1)), (HUB,), zones, sensors)
    return expand(sql, view).encode()


def _span(text: str) -> timedelta:
    return int(text[:-1]) * RANGES[text[-1]]


async def take(folder: Path) -> None:
    """Write a picture of each board, of a hub under attack."""
    with (
        running_postgres(free_port()) as server,
        migrated_template(server) as template,
        fresh_database(server, template) as dsn,
        hands_on(dsn) as hands,
    ):
        hub_there(dsn, seen=False)
        door_history(dsn)
        former_readings(dsn)
        async with at_work(dsn):
            morning = a_bad_morning()
            passage_readings(dsn, morning[0])
            await alarmed(dsn, hands, *morning)
            await asyncio.to_thread(_write, dsn, folder)


def _write(dsn: str, folder: Path) -> None:
    with reading(dsn) as grafana:
        for name in BOARDS:
            (folder / f"{name}.svg").write_text(picture(grafana, name), encoding="utf-8")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(FOLDER))
