"""The queries of the generated boards, as Grafana would ask them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.grafana_macros import View, expand

BOARDS = Path(__file__).parents[2] / "dashboards" / "generated"


def panel_queries(hub: str, hours: float) -> Iterator[tuple[str, str]]:
    """Yield the name and the SQL of every query over the last hours of a hub."""
    now = datetime.now(UTC) + timedelta(seconds=1)
    view = View(now - timedelta(hours=hours), now, timedelta(seconds=hours * 5), (hub,))
    for file in sorted(BOARDS.glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                yield f"{file.stem}: {panel['title']} {target['refId']}", expand(str(target["rawSql"]), view)
