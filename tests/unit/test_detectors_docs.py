"""The reference page says of every detector what it finds and how it is set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hubwatch_detectors.metrics import _EngineCounts
from hubwatch_detectors.registry import TABLE
from hubwatch_detectors.settings import DetectorsSettings

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "detectors.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "types"), [(spec.name, spec.types) for spec in TABLE])
def test_page_has_a_section_for_every_detector_that_names_all_it_finds(name: str, types: tuple[str, ...]) -> None:
    _, _, section = PAGE.partition(f"\n## {name}\n")
    section = section.partition("\n## ")[0]
    assert section
    for kind in types:
        assert kind in section or f"[{name}](#{name}) | " in PAGE
        assert kind in PAGE


def rate_table() -> str:
    """Return the table of rates for the page."""
    rows = ["| detector | field | decides on | one opportunity is | a threshold by hand |", "|---|---|---|---|---|"]
    for spec in TABLE:
        for rate in spec.rates:
            types = ", ".join(f"`{kind}`" for kind in rate.types)
            by_hand = ", ".join(f"`{name}`" for name in rate.by_hand) or "–"
            rows.append(f"| [{spec.name}](#{spec.name}) | `{rate.field}` | {types} | {rate.per} | {by_hand} |")
    return "\n".join(rows)


def test_page_has_the_rates_of_the_table() -> None:
    _, _, rest = PAGE.partition("<!-- begin generated: tests/unit/test_detectors_docs.py -->\n")
    assert rest.partition("\n<!-- end generated -->")[0] == rate_table()


def source_table() -> str:
    """Return the table of sources for the page."""
    rows = ["| detector | source of the method | learns for |", "|---|---|---|"]
    rows += [f"| [{spec.name}](#{spec.name}) | {spec.source} | {spec.warm_up} |" for spec in TABLE]
    return "\n".join(rows)


def test_page_has_the_sources_of_the_table() -> None:
    _, _, rest = PAGE.partition("<!-- begin sources: tests/unit/test_detectors_docs.py -->\n")
    assert rest.partition("\n<!-- end sources -->")[0] == source_table()


@pytest.mark.parametrize("name", [spec.name for spec in TABLE])
def test_every_detector_has_its_method_its_measured_figures_and_a_plot(name: str) -> None:
    section = PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert "*Method.* " in section
    table = section.partition("<!-- measured: ")[2].partition("<!-- end -->")[0]
    assert table.count("\n| ") >= 2
    assert re.search(r"!\[[^\]]{20,}\]\(detectors-\w+\.svg\)", section), "a plot, with words for who cannot see it"


def test_every_detector_says_where_its_method_comes_from_and_how_long_it_learns() -> None:
    assert [spec.name for spec in TABLE if not (spec.source and spec.warm_up)] == []


def test_keys_that_the_page_names_exist() -> None:
    keys = {key for spec in TABLE for key in spec.config.model_fields}
    keys |= {
        key
        for field in DetectorsSettings.model_fields.values()
        for key in getattr(field.annotation, "model_fields", {})
    }
    named = {word for word in PAGE.split("`") if word.isidentifier() and "_" in word}
    elsewhere = {
        *(spec.name for spec in TABLE),
        *_EngineCounts._HELP,
        *DetectorsSettings.model_fields,
        "max_age_s",
        "unusable_messages",
        "left_out_messages",
        "no_room",
    }
    assert named - keys - elsewhere == set()
