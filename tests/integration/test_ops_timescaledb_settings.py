"""The settings we recommend for the database are settings a server with TimescaleDB knows and takes."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

CONF = Path(__file__).parents[2] / "ops" / "timescaledb" / "hubwatch.conf"
SETTINGS = re.findall(r"^([a-z_.]+) = '?([^'\n]+?)'?$", CONF.read_text(encoding="utf-8"), re.MULTILINE)
NOT_IN_DEBIANS_BUILD = {"timescaledb.telemetry_level"}
UNITS = {"MB": 1024**2, "GB": 1024**3, "min": 60}


def test_every_line_is_a_setting_or_a_comment() -> None:
    lines = CONF.read_text(encoding="utf-8").splitlines()
    assert len(SETTINGS) == len([line for line in lines if line and not line.startswith("#")])


@pytest.mark.parametrize(("name", "value"), [each for each in SETTINGS if each[0] not in NOT_IN_DEBIANS_BUILD])
def test_setting_is_known_and_its_value_allowed(timescale_server: str, name: str, value: str) -> None:
    with psycopg.connect(timescale_server) as connection:
        row = connection.execute(
            "SELECT vartype, enumvals, min_val, max_val, unit FROM pg_settings WHERE lower(name) = %s", [name]
        ).fetchone()
    assert row is not None, "no such setting"
    kind, words, least, most, unit = row
    if kind == "enum":
        assert value in words
    elif kind == "bool":
        assert value in {"on", "off"}
    elif kind in {"integer", "real"}:
        assert float(least) <= _in_units(value, unit) <= float(most)


def _in_units(value: str, unit: str | None) -> float:
    """Return a value such as 4GB as a number of the server's own unit, such as 8kB."""
    number, suffix = re.fullmatch(r"([\d.]+)([A-Za-z]*)", value).groups()  # type: ignore[union-attr]
    if not suffix:
        return float(number)
    base = {"8kB": 8192, "kB": 1024, "MB": 1024**2, "s": 1, "ms": 0.001}[str(unit)]
    return float(number) * UNITS[suffix] / base
