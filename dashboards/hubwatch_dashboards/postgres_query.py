"""The query part of a panel for Grafana's PostgreSQL data source, which the SDK has no builder for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models.dashboard import DataSourceRef

Format = Literal["table", "time_series"]

DATASOURCE = DataSourceRef("grafana-postgresql-datasource", "${datasource}")
"""The data source a person chose at the top of the board, so that one board serves any database."""


@dataclass(frozen=True, slots=True)
class PostgresQuery(variants.Dataquery):
    """A query in SQL. Its JSON is what Grafana's own editor stores in code mode."""

    ref_id: str
    sql: str
    format: Format

    def to_json(self) -> dict[str, object]:
        """Return the target as it stands in a board's JSON; the SDK's encoder calls this."""
        return {
            "refId": self.ref_id,
            "datasource": DATASOURCE,
            "editorMode": "code",
            "format": self.format,
            "rawQuery": True,
            "rawSql": self.sql,
        }


@dataclass(frozen=True, slots=True)
class Target(builder.Builder[variants.Dataquery]):
    """Wraps a finished query, because panels take builders."""

    query: PostgresQuery

    def build(self) -> variants.Dataquery:
        """Return the query."""
        return self.query
