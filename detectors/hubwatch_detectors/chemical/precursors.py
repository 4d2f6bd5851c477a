"""Substances whose every hit is told, and by which words devices say them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

RESTRICTED = (
    "ammonium nitrate",
    "hydrogen peroxide",
    "nitric acid",
    "nitromethane",
    "potassium chlorate",
    "potassium perchlorate",
    "sodium chlorate",
    "sodium perchlorate",
    "sulphuric acid",
)
"""Restricted explosives precursors of Regulation (EU) 2019/1148, Annex I."""
REPORTABLE = (
    "acetone",
    "aluminium powder",
    "calcium ammonium nitrate",
    "calcium nitrate",
    "hexamine",
    "magnesium powder",
    "potassium nitrate",
    "sodium nitrate",
)
"""Reportable ones of Annex II."""
OTHER_NAMES: Mapping[str, str] = {
    "h2o2": "hydrogen peroxide",
    "hno3": "nitric acid",
    "h2so4": "sulphuric acid",
    "sulfuric acid": "sulphuric acid",
    "ch3no2": "nitromethane",
    "an": "ammonium nitrate",
    "can": "calcium ammonium nitrate",
    "nh4no3": "ammonium nitrate",
    "kclo3": "potassium chlorate",
    "kclo4": "potassium perchlorate",
    "naclo3": "sodium chlorate",
    "naclo4": "sodium perchlorate",
    "methenamine": "hexamine",
    "urotropine": "hexamine",
    "propanone": "acetone",
    "kno3": "potassium nitrate",
    "nano3": "sodium nitrate",
    "aluminum powder": "aluminium powder",
}
NAMED_BY = ("substance", "agent", "gas", "material", "name")
"""Attributes of an event that may say a substance."""
LONGEST_TEXT = 200
MAX_TEXTS = 10


def substances(attrs: Mapping[str, object], watched: Iterable[str]) -> tuple[str, ...]:
    """Return the substances of a watch list that an event names, in their order in the list."""
    said = {name for text in _texts(attrs) for name in _names(text)}
    return tuple(each for each in watched if plain(each) in said)


def plain(text: str) -> str:
    """Return a name as it is compared: small letters, single spaces, by its usual name."""
    name = " ".join("".join(c if c.isalnum() else " " for c in text[:LONGEST_TEXT].lower()).split())
    return OTHER_NAMES.get(name, name)


def _texts(attrs: Mapping[str, object]) -> list[str]:
    """Return what may be names; a device may give a list of them."""
    found: list[str] = []
    for key in NAMED_BY:
        value = attrs.get(key)
        parts = value if isinstance(value, list) else [value]
        found += [part for part in parts[:MAX_TEXTS] if isinstance(part, str)]
    return found


def _names(text: str) -> set[str]:
    """Return the whole text and every part of it between commas and the like as names."""
    parts = text[:LONGEST_TEXT].replace("/", ",").replace(";", ",").replace("+", ",").replace("(", ",").split(",")
    return {plain(part) for part in [text, *parts]}
