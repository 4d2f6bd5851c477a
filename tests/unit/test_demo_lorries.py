"""The lorries of the demo before the portal detector: what each is for, over many draws of the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hubwatch_ops.demo.portal import ALARM_1, GAMMA_BACKGROUND, SAMPLE_S, STATUS, Portal, Vehicle
from hubwatch_ops.demo.script import norm, shielded
from support.detectors_portal import PortalBench

DRAWS = 40
K_SIGMA = 6.0
"""What portals in the field alarm on: so many deviations of the counts of one second over the background."""
BEFORE, LONGEST = 60, 55
"""Samples of the empty portal, and of any vehicle with some after it."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What was found of one vehicle, whether the portal alarmed itself, and the most deviations of any second."""

    types: tuple[str, ...]
    own_alarm: bool
    sigma: float


def passage(vehicle: Callable[[float], Vehicle], seed: int) -> Passage:
    now = [1000.0]
    portal, bench = Portal("rpm-2", seed, clock=lambda: now[0]), PortalBench()
    bench.channels["speed"] = "speed"

    def samples(count: int) -> list[list[int]]:
        words = []
        for _ in range(count):
            now[0] += SAMPLE_S
            registers = portal.answer(3, STATUS, 21)
            words.append([registers[STATUS + i] for i in range(21)])
            occupied, gamma, neutron, speed = (words[-1][i] for i in (2, 4, 11, 19))
            bench.row(gamma=gamma, neutron=neutron, speed=speed / 1000, occupied=occupied)
        return words

    samples(BEFORE)
    portal.drive_through(vehicle(now[0]))
    words = samples(LONGEST)
    second = round(1 / SAMPLE_S)
    sums = np.convolve([each[4] for each in words], np.ones(second), "valid")
    background = GAMMA_BACKGROUND * second
    sigma = float((sums.max() - background) / np.sqrt(background))
    return Passage(tuple(bench.types), any(each[3] & ALARM_1 for each in words), sigma)


def test_shielded_source_is_found_where_k_sigma_and_the_portal_itself_are_quiet() -> None:
    passages = [passage(shielded, seed) for seed in range(DRAWS)]
    assert Counter(each.types for each in passages)[("radiation.gamma",)] >= DRAWS - 1
    assert sum(each.sigma > K_SIGMA for each in passages) <= 1
    assert not any(each.own_alarm for each in passages)


def test_load_of_norm_is_told_as_one_where_k_sigma_alarms() -> None:
    passages = [passage(norm, seed) for seed in range(DRAWS)]
    assert Counter(each.types for each in passages)[("radiation.norm",)] >= DRAWS - 1
    assert sum(each.sigma > K_SIGMA for each in passages) >= DRAWS * 0.9
    assert not any(each.own_alarm for each in passages)
