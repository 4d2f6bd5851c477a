"""The kinds of panel our boards are made of: tables, numbers, lines, bars and bands, each with what they share."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import DashboardLink, ThresholdsConfig
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, Threshold

from hubwatch_core.named_sql import Query
from hubwatch_dashboards.postgres_query import DATASOURCE, Format, PostgresQuery, Target
from hubwatch_dashboards.severity import CALM, NOT_KNOWN, bands, empty_cells, no_number

AGE = [DynamicConfigValue("unit", "dateTimeFromNow"), DynamicConfigValue("custom.width", 130)]
"""A column of moments, shown as how long ago: on a wall that is what matters."""
MOMENT = [DynamicConfigValue("unit", "dateTimeAsIso"), DynamicConfigValue("custom.width", 160)]
"""A column of moments, shown with their date: a range may be of days."""
WRAPPED = [DynamicConfigValue("custom.cellOptions", {"type": "auto", "wrapText": True})]
"""A column of words that are never cut."""
SPANNED_MS = 120_000
"""Over so long a gap a line is drawn: between two readings of one channel stand the moments of all the others."""
HIDDEN = [DynamicConfigValue("custom.hidden", True)]
"""A column that only links need."""


def narrow(width: int) -> list[DynamicConfigValue]:
    """Return the properties of a column that is so many pixels wide."""
    return [DynamicConfigValue("custom.width", width)]


def measured(unit: str, width: int, decimals: int = 1) -> list[DynamicConfigValue]:
    """Return the properties of a column of numbers in one of Grafana's units."""
    return [DynamicConfigValue("unit", unit), DynamicConfigValue("decimals", decimals), *narrow(width)]


def rows(title: str, query: Query, link: DashboardLink, *, span: int, height: int) -> table.Panel:
    """Make a table. That all is well is a row of its query; without a row nothing is known."""
    return (
        table.Panel()
        .links([link])
        .unit("none")
        .title(title)
        .description(query.description)
        .datasource(DATASOURCE)
        .with_target(_target(query, "table"))
        .span(span)
        .height(height)
        .no_value(NOT_KNOWN)
        .mappings(empty_cells())
        .thresholds(ThresholdsConfig().steps([Threshold(value=None, color=CALM)]))
        .cell_height(common.TableCellHeight.SM)
    )


def number(
    title: str, query: Query, thresholds: ThresholdsConfig, link: DashboardLink, *, span: int, height: int
) -> stat.Panel:
    """Make one big number, coloured behind; no number is an alarm, and says so."""
    return (
        stat.Panel()
        .links([link])
        .unit("none")
        .title(title)
        .description(query.description)
        .datasource(DATASOURCE)
        .with_target(_target(query, "table"))
        .span(span)
        .height(height)
        .thresholds(thresholds)
        .no_value(NOT_KNOWN)
        .mappings(no_number())
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(common.BigValueGraphMode.NONE)
        # With "all values" Grafana names the number by the texts of its row: the time of the answer stands beside it,
        # and a number left over from an earlier answer can be told.
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(True))
    )


def lines(title: str, first: Query, *more: Query, link: DashboardLink, span: int, height: int) -> timeseries.Panel:
    """Make lines over time; they break where there is no data, so that silence never looks like calm."""
    return _series(title, [first, *more], link, span, height).line_width(2).span_nulls(SPANNED_MS)


def bars(title: str, query: Query, link: DashboardLink, *, span: int, height: int) -> timeseries.Panel:
    """Make stacked bars over time."""
    return (
        _series(title, [query], link, span, height)
        .min(0)
        .draw_style(common.GraphDrawStyle.BARS)
        .fill_opacity(80)
        .stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    )


def timeline(title: str, query: Query, link: DashboardLink, *, span: int, height: int) -> statetimeline.Panel:
    """Make bands over time, one for each type and place, in the colour of their priority."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(query.description)
        .datasource(DATASOURCE)
        .with_target(_target(query, "time_series"))
        .links([link])
        .unit("none")
        .span(span)
        .height(height)
        .no_value(NOT_KNOWN)
        .mappings(bands())
        .thresholds(ThresholdsConfig().steps([Threshold(value=None, color=CALM)]))
        .show_value(common.VisibilityMode.NEVER)
        .merge_values(True)
        .fill_opacity(100)
        .line_width(0)
        .legend(_legend())
    )


def _legend() -> common_builders.VizLegendOptions:
    # The SDK's legend is hidden unless it is told otherwise.
    return (
        common_builders.VizLegendOptions()
        .show_legend(True)
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
    )


def _series(title: str, queries: Sequence[Query], link: DashboardLink, span: int, height: int) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .links([link])
        .unit("short")
        .title(title)
        .description(queries[0].description)
        .datasource(DATASOURCE)
        .span(span)
        .height(height)
        # Grafana's interval follows the width of the panel; below a second nothing more is to be seen.
        .interval("1s")
        .show_points(common.VisibilityMode.NEVER)
        .no_value(NOT_KNOWN)
        .legend(_legend())
    )
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(_target(query, "time_series", letter))
    return panel


def _target(query: Query, shape: Format, letter: str = "A") -> Target:
    return Target(PostgresQuery(letter, query.text, shape))
