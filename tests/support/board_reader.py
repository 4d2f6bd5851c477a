"""Boards read as Grafana reads them: macros expanded, as the reader of `ops/grafana/reader.sql`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.words import SensorKind
from hubwatch_store.database import DatabaseSection
from hubwatch_store.ingest import Departure, Letter, State, Writer
from support import store_examples
from support.grafana_macros import View, expand
from support.store_examples import frame, offer, series

REPOSITORY = Path(__file__).parents[2]
BOARDS = sorted(file.stem for file in (REPOSITORY / "dashboards" / "generated").glob("*.json"))
SECOND_US = 1_000_000
FINE, COARSE = timedelta(seconds=5), timedelta(minutes=5)

WATCHED = """
INSERT INTO hubwatch.process_owner (token, kind, name, hubs, host, pid, machine, began)
VALUES ('d', 'detectors', 'detectors', '{}', 'h', 1, 'm', 1), ('a', 'alarms', 'alarms', '{}', 'h', 2, 'm', 1);
INSERT INTO hubwatch.detector_journal (hub, version, entries) SELECT hub, 1, '' FROM hubwatch.hubs;
"""
"""What detectors and alarms leave behind when they begin."""
HEARD = "UPDATE hubwatch.agents SET heard = now() WHERE heard IS NOT NULL"
BEATS = "UPDATE hubwatch.process_owner SET beats = beats + 1; UPDATE hubwatch.detector_journal SET saved = now()"
MAX_AGE_S = 3600.0
"""How old a reading of the portal may be: on a slow machine, none of a test becomes too old by itself."""


def board_json(name: str) -> dict[str, Any]:
    """Return a generated board."""
    file = REPOSITORY / "dashboards" / "generated" / f"{name}.json"
    board: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return board


def panels() -> Iterator[tuple[str, str, str]]:
    """Yield board, title and query of everything that is shown."""
    for name in BOARDS:
        for panel in board_json(name)["panels"]:
            for target in panel["targets"]:
                yield name, panel["title"], target["refId"]


def panel_sql(board: str, title: str, ref_id: str = "A") -> str:
    """Return what a panel asks."""
    (panel,) = [panel for panel in board_json(board)["panels"] if panel["title"] == title]
    (target,) = [target for target in panel["targets"] if target["refId"] == ref_id]
    return str(target["rawSql"])


class Grafana:
    """Runs a board's queries as Grafana would: macros expanded, as the reader of `ops/grafana/reader.sql`."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self.connection = connection
        self.goes_on = [HEARD]
        """What programs would do between two answers, however slow the test is."""

    def show(self, title: str, ref_id: str = "A", *, board: str = "hub-overview", **view: Any) -> list[dict[str, Any]]:
        """Return the rows of a panel over the last hours; `view` is what a person chose."""
        return self.ask(panel_sql(board, title, ref_id), **view)

    def ask(
        self,
        sql: str,
        *,
        interval: timedelta = FINE,
        hours: float = 1,
        hubs: tuple[str, ...] = ("harbour",),
        zones: tuple[str, ...] = ("gate-2", "office", "–"),
        sensors: tuple[str, ...] = ("rpm-2",),
    ) -> list[dict[str, Any]]:
        """Return the answer to a query of a board."""
        for statement in self.goes_on:
            as_owner(self, statement)
        now = datetime.now(UTC) + timedelta(seconds=1)
        view = View(now - timedelta(hours=hours), now, interval, hubs, zones, sensors)
        return self.connection.execute(expand(sql, view).encode()).fetchall()

    def plan(self, title: str, ref_id: str = "A", *, board: str, **view: Any) -> dict[str, Any]:
        """Return how the database would answer a panel."""
        (row,) = self.ask("EXPLAIN (FORMAT JSON) " + panel_sql(board, title, ref_id), **view)
        plan: dict[str, Any] = row["QUERY PLAN"][0]["Plan"]
        return plan

    def number(self, title: str) -> Any:
        """Return the one value of a number panel."""
        ((value, _as_of),) = (row.values() for row in self.show(title))
        return value


@contextmanager
def reading(dsn: str) -> Iterator[Grafana]:
    """Give Grafana's eyes on a database."""
    with psycopg.connect(dsn, row_factory=dict_row, autocommit=True) as connection:
        connection.execute((REPOSITORY / "ops" / "grafana" / "reader.sql").read_bytes())
        connection.execute("SET ROLE hubwatch_reader")
        yield Grafana(connection)


def as_owner(grafana: Grafana, statement: str) -> None:
    """Change the database, which a reader cannot."""
    grafana.connection.execute("RESET ROLE")
    grafana.connection.execute(statement.encode())
    grafana.connection.execute("SET ROLE hubwatch_reader")


def watched(grafana: Grafana) -> None:
    """Let detectors and alarms work from now on."""
    as_owner(grafana, WATCHED)
    grafana.goes_on.append(BEATS)


def silenced(grafana: Grafana, seconds: int = 31) -> None:
    """Let agents say nothing for so long, and nothing from now on."""
    grafana.goes_on.remove(HEARD)
    as_owner(grafana, f"UPDATE hubwatch.agents SET heard = now() - {seconds} * INTERVAL '1 s'")


async def write(grafana: Grafana, *contents: wire.Frame | wire.Birth | State | Departure | Letter) -> None:
    """Store what an agent says."""
    info = grafana.connection.info
    writer = Writer(DatabaseSection(dsn=f"host={info.host} port={info.port} user={info.user} dbname={info.dbname}"))
    offers = [offer(content, payload=f"message {i}".encode()) for i, content in enumerate(contents)]
    await writer.write(offers)
    await writer.close()


def portal_birth(**changes: Any) -> wire.Birth:
    """Return the birth of an agent with a portal and a door."""
    channels = [wire.Channel(name=name, unit="count") for name in ("gamma.1", "neutron.1", "occupied")]
    portal = wire.Sensor(
        sensor="rpm-2", kind=SensorKind.RADIATION_PORTAL, zone="gate-2", max_age_s=MAX_AGE_S, channels=channels
    )
    door = wire.Sensor(sensor="door-3", kind=SensorKind.ACCESS, zone="office")
    return store_examples.birth(**({"inventory": [portal, door]} | changes))


def fenced_birth() -> wire.Birth:
    """Return the same birth with a fence."""
    fence = wire.Sensor(sensor="fence-1", kind=SensorKind.PERIMETER, zone="gate-2")
    return portal_birth(inventory=[*portal_birth().inventory, fence])


def portal_frame(seq: int = 1, *, age_s: float = 0.0, **changes: Any) -> wire.Frame:
    """Return a frame with two readings of each channel of the portal."""
    t0 = now_us() - int(age_s * SECOND_US)
    names = {"gamma.1": [412.0, 890.0], "neutron.1": [0.0, 2.0], "occupied": [0.0, 1.0]}
    values = [series(t0, x, channel=name) for name, x in names.items()]
    return frame(seq, **({"series": values} | changes))
