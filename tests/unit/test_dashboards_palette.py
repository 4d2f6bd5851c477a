"""The colours of the boards are told apart by eyes of every kind, on light and dark, and no colour speaks alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from hubwatch_dashboards import severity
from hubwatch_dashboards.boards import BOARDS, built

Colour = NDArray[np.float64]

COLOURS = {name: getattr(severity, name) for name in ("URGENT", "HIGH", "MEDIUM", "LOW", "GREY")}
DARK, LIGHT = "#181B1F", "#FFFFFF"
"""The ground of a panel in Grafana's two themes."""

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
EYES = {
    "every cone": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
APART = 24.0
"""In CIE 1976 units. About 2 is just seen side by side; from across a room, in patches apart, ten times as much."""


def linear(colour: str) -> Colour:
    """Return sRGB as light."""
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    light: Colour = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return light


def lab(light: Colour) -> Colour:
    """Return light as CIE L*a*b* under D65."""
    ratio = (TO_XYZ @ np.clip(light, 0, 1)) / (TO_XYZ @ np.ones(3))
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one: str, other: str, eye: str) -> float:
    """Return how far apart an eye sees two colours."""
    return float(np.linalg.norm(lab(EYES[eye] @ linear(one)) - lab(EYES[eye] @ linear(other))))


def contrast(one: str, other: str) -> float:
    """Return the ratio of WCAG 2."""
    brighter, darker = sorted(((TO_XYZ @ linear(each))[1] for each in (one, other)), reverse=True)
    return float((brighter + 0.05) / (darker + 0.05))


@pytest.mark.parametrize("eye", list(EYES))
def test_every_two_colours_are_told_apart(eye: str) -> None:
    close = {
        (one, other): distance(COLOURS[one], COLOURS[other], eye)
        for one, other in itertools.combinations(COLOURS, 2)
        if distance(COLOURS[one], COLOURS[other], eye) < APART
    }
    assert close == {}


@pytest.mark.parametrize("ground", [DARK, LIGHT])
@pytest.mark.parametrize("eye", ["every cone", "protanopia", "deuteranopia"])
def test_every_colour_is_told_from_the_ground(eye: str, ground: str) -> None:
    assert {name for name, colour in COLOURS.items() if distance(colour, ground, eye) < APART} == set()


@pytest.mark.parametrize("name", list(COLOURS))
def test_black_or_white_text_can_be_read_on_every_colour(name: str) -> None:
    assert max(contrast(COLOURS[name], "#000000"), contrast(COLOURS[name], "#FFFFFF")) >= 4.5


def test_measure_finds_the_colours_that_were_confused_before() -> None:
    orange, yellow = "#FA6400", "#E0B400"  # Grafana's dark-orange and dark-yellow
    assert distance(orange, yellow, "deuteranopia") < 13
    assert distance(orange, yellow, "every cone") > APART


@pytest.mark.parametrize("name", list(BOARDS))
def test_no_colour_stands_without_a_word_and_none_is_of_another_palette(name: str) -> None:
    used = set()
    for panel in built(name)["panels"]:
        config = panel["fieldConfig"]
        sets = [
            config["defaults"],
            *({each["id"]: each["value"] for each in one["properties"]} for one in config["overrides"]),
        ]
        for properties in sets:
            used |= {step["color"] for step in properties.get("thresholds", {}).get("steps", [])}
            for mapping in properties.get("mappings", []):
                results = mapping["options"].values() if mapping["type"] == "value" else [mapping["options"]["result"]]
                for result in results:
                    assert result["text"], panel["title"]
                    used.add(result["color"])
    assert used <= {*COLOURS.values(), severity.CALM}
