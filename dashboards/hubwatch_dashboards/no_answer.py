"""What a panel shows without an answer of the database, checked on the finished JSON: never that all is well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hubwatch_dashboards.severity import CALM, NOT_KNOWN, NOTHING_HERE

CHARTS = frozenset({"timeseries", "state-timeline"})
KINDS = CHARTS | {"table", "stat"}
"""The kinds of panel of which it is known what Grafana shows without an answer (docs/decisions/0050, 0121)."""


def faults(panel: Mapping[str, Any]) -> Iterator[str]:
    """Yield what this panel would say or colour that no query returned."""
    kind, config = panel["type"], panel["fieldConfig"]
    if kind not in KINDS:
        yield f"is a {kind}, and nobody knows what that shows without an answer"
    yield from _text_faults(config)
    if kind == "table":
        yield from _cell_faults(config)
        yield from _colour_faults(config)
    if kind == "stat":
        yield from _number_faults(panel)
    if kind == "state-timeline":
        yield from _colour_faults(config)
    if kind in CHARTS and not panel["options"].get("legend", {}).get("showLegend"):
        yield "is a chart without a legend"


def _text_faults(config: Mapping[str, Any]) -> Iterator[str]:
    if config["defaults"].get("noValue") != NOT_KNOWN:
        yield f"says {config['defaults'].get('noValue', 'No data')!r} without an answer, not {NOT_KNOWN}"
    for column, properties in _columns(config):
        if "noValue" in properties:
            yield f"says {properties['noValue']!r} without an answer in {column!r}"


def _cell_faults(config: Mapping[str, Any]) -> Iterator[str]:
    mappings = [("every column", config["defaults"].get("mappings", []))]
    mappings += [(column, each["mappings"]) for column, each in _columns(config) if "mappings" in each]
    for column, found in mappings:
        special = _special(found)
        if {special.get("null"), special.get("empty")} != {NOTHING_HERE}:
            yield f"fills empty cells of {column!r} with its text for no data"


def _colour_faults(config: Mapping[str, Any]) -> Iterator[str]:
    steps = config["defaults"].get("thresholds", {}).get("steps", [])
    if [step["color"] for step in steps] != [CALM]:
        yield "colours what is normal"
    for column, properties in _columns(config):
        shown = properties.get("custom.cellOptions", {}).get("type", "auto")
        if shown != "auto" and "thresholds" not in properties:
            yield f"leaves the colours of {column!r} to Grafana, whose normal is green"


def _number_faults(panel: Mapping[str, Any]) -> Iterator[str]:
    options = panel["options"]
    if _special(panel["fieldConfig"]["defaults"].get("mappings", [])).get("null+nan") != NOT_KNOWN:
        yield f"does not say {NOT_KNOWN} in a colour when there is no number"
    if options.get("textMode") != "value_and_name" or not options["reduceOptions"]["values"]:
        yield "does not show of when its number is"


def _columns(config: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for override in config["overrides"]:
        yield override["matcher"]["options"], {each["id"]: each["value"] for each in override["properties"]}


def _special(mappings: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the texts of the values that are none, by Grafana's name of them."""
    special = [each["options"] for each in mappings if each["type"] == "special"]
    return {each["match"]: each["result"]["text"] for each in special}
