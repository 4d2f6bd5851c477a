"""Shares of a hub's false alarms, and what detectors are held to by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubwatch_core.clock import SECOND_US
from hubwatch_core.config.load import load
from hubwatch_core.errors import ConfigError
from hubwatch_core.wire import Birth, Channel, Detection, Frame, Sensor, Series
from hubwatch_core.words import SensorKind
from hubwatch_detectors.achieved import Achieved
from hubwatch_detectors.budget import Allowance, Budget, SetBy
from hubwatch_detectors.contract import Site, Spec
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.rates import CountedSensor, RateForm, Traffic
from hubwatch_detectors.registry import TABLE
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_detectors.sharing import BudgetSection, shared
from hubwatch_site import parse_site
from support.detectors_hub import EPOCH, at

SENSORS = (
    CountedSensor("rpm-1", SensorKind.RADIATION_PORTAL),
    CountedSensor("rpm-2", SensorKind.RADIATION_PORTAL, criticality=3),
    CountedSensor("dose-1", SensorKind.RADIATION_AREA),
    CountedSensor("door-1", SensorKind.ACCESS),
    CountedSensor("gas-1", SensorKind.CHEMICAL, gauges=3),
)
SPECS = {spec.name: spec for spec in TABLE}
HUB = "harbour"


def section(**said: Any) -> BudgetSection:
    return BudgetSection(**({"hub": HUB, "false_alarms_per_day": 2.0, "vehicles_per_day": 1000.0} | said))


def budget(settings: DetectorsSettings | None = None, scale: float = 1.0, **said: Any) -> Budget:
    configs = (settings or DetectorsSettings()).rules().configs
    return shared(section(**said), TABLE, configs, Traffic(SENSORS), scale)


def allowance(found: Budget, detector: str, field: str) -> Allowance:
    (one,) = (each for each in found.allowances if (each.detector, each.rate.field) == (detector, field))
    return one


def loaded(tmp_path: Path, text: str) -> DetectorsSettings:
    (tmp_path / "c.toml").write_text(text)
    return load(DetectorsSettings, tmp_path / "c.toml", env={})


@pytest.mark.parametrize("spec", [each for each in TABLE if each.rates], ids=lambda spec: spec.name)
def test_rates_name_fields_and_types_of_their_detector(spec: Spec[Any]) -> None:
    for rate in spec.rates:
        assert {rate.field, *rate.by_hand} <= set(spec.config.model_fields)
        assert set(rate.types) <= set(spec.types)
        assert rate.kind in (spec.kinds or {None, *SensorKind})
    types = [kind for rate in spec.rates for kind in rate.types]
    assert len(types) == len(set(types)), "one rate decides on a type"


@pytest.mark.parametrize("spec", TABLE, ids=lambda spec: spec.name)
def test_every_type_has_a_rate_or_a_reason_why_it_has_none(spec: Spec[Any]) -> None:
    ruled = [kind for rate in spec.rates for kind in rate.types]
    assert sorted([*ruled, *spec.no_share]) == sorted(spec.types)
    fields = {word for reason in spec.no_share.values() for word in reason.split() if "_" in word and "-" not in word}
    assert fields <= set(spec.config.model_fields)


@pytest.mark.parametrize("form", list(RateForm))
def test_value_and_rate_of_a_form_belong_together(form: RateForm) -> None:
    assert form.rate_of(form.value_of(0.02)) == pytest.approx(0.02)


def test_shares_add_up_to_what_staff_accept_and_are_what_is_to_be_expected() -> None:
    found = budget(badge_uses_per_day=4000.0, people_per_day=300.0)
    assert sum(each.share for each in found.allowances) == pytest.approx(2.0)
    for each in found.allowances:
        if each.set_by is SetBy.BUDGET and not each.limited:
            assert each.expected == pytest.approx(each.share)
    portal = allowance(found, "radiation_portal", "false_alarms_per_occupancy")
    assert portal.value * 2 * 1000 == pytest.approx(portal.share), "two rays a vehicle"
    norm = allowance(found, "radiation_portal", "false_norm_per_occupancy")
    assert norm.value * 1000 == pytest.approx(norm.share) == pytest.approx(portal.share)
    passback = allowance(found, "badges", "passback_rate")
    assert passback.value * 300 == pytest.approx(passback.share), "people who may have left unread"
    gas = allowance(found, "chemical", "false_alarms_per_day")
    assert gas.value * 3 == pytest.approx(gas.share), "three concentrations"


def test_detector_with_a_higher_weight_or_in_vital_zones_gets_more() -> None:
    plain, heavy = budget(), budget(weights={"radiation_area": 4.0})
    portal, area = ("radiation_portal", "false_alarms_per_occupancy"), ("radiation_area", "false_alarms_per_day")
    assert 2 * allowance(plain, *portal).share == pytest.approx(2 * allowance(plain, *area).share), "criticality 1, 3"
    assert allowance(heavy, *area).share == pytest.approx(2 * 2 * allowance(heavy, *portal).share), "its two rates"


def test_sensor_in_a_vital_zone_is_allowed_more_and_the_sum_stays() -> None:
    found = budget()
    values = [found.values("radiation_portal", name)["false_alarms_per_occupancy"] for name in ("rpm-1", "rpm-2")]
    assert values[1] == pytest.approx(3 * values[0])
    mean = allowance(found, "radiation_portal", "false_alarms_per_occupancy").value
    assert sum(values) / 2 == pytest.approx(mean)


def test_security_level_multiplies_every_rate() -> None:
    plain, raised = budget(), budget(scale=4.0)
    for detector in ("radiation_portal", "radiation_area", "chemical"):
        for field, value in plain.values(detector, "").items():
            assert raised.values(detector, "")[field] == pytest.approx(4 * value)


def test_what_is_set_by_hand_stays_and_is_marked(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "[radiation_area]\nfalse_alarms_per_day = 0.5\n[chemical]\nmin_rise_nats = 20.0\n")
    found = budget(settings)
    area, gas = (allowance(found, name, "false_alarms_per_day") for name in ("radiation_area", "chemical"))
    assert (area.set_by, area.value, area.threshold) == (SetBy.HAND, 0.5, None)
    assert (gas.set_by, gas.threshold, gas.expected) == (SetBy.HAND, "min_rise_nats", None)
    assert found.values("radiation_area", "") == found.values("chemical", "") == {}
    assert found.evidence("chemical", "")["chemical.concentration"] == {"set_by": "hand", "threshold": "min_rise_nats"}


def test_default_written_out_is_set_by_hand_too(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "[radiation_portal]\nfalse_alarms_per_occupancy = 0.0001\n")
    assert allowance(budget(settings), "radiation_portal", "false_alarms_per_occupancy").set_by is SetBy.HAND


def test_traffic_that_nobody_has_said_is_not_guessed() -> None:
    found = budget(vehicles_per_day=None)
    portal = allowance(found, "radiation_portal", "false_alarms_per_occupancy")
    assert (portal.set_by, portal.value, portal.share, portal.expected) == (SetBy.DEFAULT, 1e-4, 0.0, None)
    assert sum(each.share for each in found.allowances) == pytest.approx(2.0), "the others get it"


def test_rate_goes_no_further_than_its_field_and_says_so() -> None:
    found = budget(false_alarms_per_day=1000.0, weights={"access": 0.0, "chemical": 0.0, "radiation_portal": 0.0})
    area = allowance(found, "radiation_area", "false_alarms_per_day")
    assert (area.value, area.limited, area.expected) == (24.0, True, 24.0)
    assert allowance(found, "access", "false_alarm_days").set_by is SetBy.DEFAULT


def test_runs_of_equal_samples_are_counted_by_the_periods_and_allowed_no_more_than_was_measured() -> None:
    configs, often = DetectorsSettings().rules().configs, Traffic([CountedSensor("t", SensorKind.PROCESS, 1, 1, 864e3)])
    found = allowance(shared(section(false_alarms_per_day=0.01), TABLE, configs, often), "frozen", "chance")
    assert found.set_by is SetBy.BUDGET
    assert found.value * 864e3 == pytest.approx(found.share)
    much = allowance(shared(section(false_alarms_per_day=100.0), TABLE, configs, often), "frozen", "chance")
    assert (much.value, much.limited, much.rate.is_bound) == (1e-6, True, True)


def test_detector_is_built_with_its_share_and_says_so_in_its_evidence() -> None:
    spec, config = SPECS["radiation_portal"], DetectorsSettings().rules().configs["radiation_portal"]
    built: Any = spec.build(config, HUB, "rpm-2", Site(budgets={HUB: budget()}), late=False)
    rate = built.config.false_alarms_per_occupancy
    assert rate == budget().values("radiation_portal", "rpm-2")["false_alarms_per_occupancy"]
    made = built.origin.detection(
        "radiation.gamma", start=1, detected=2, score=3, priority=1, why="w", evidence={"a": 1}
    )
    told = made.evidence["false_alarm_budget"]
    assert (made.evidence["a"], told["set_by"], told["per"]) == (1, "budget", "occupancy and ray")
    assert told["false_alarms_per_occupancy"] == pytest.approx(rate, rel=1e-3)
    norm = built.origin.detection("radiation.norm", start=1, detected=2, score=3, priority=4, why="w")
    assert norm.evidence["false_alarm_budget"]["per"] == "occupancy"
    off = built.origin.detection("radiation.background", start=1, detected=2, score=3, priority=4, why="w")
    assert off.evidence == {}


def test_finding_of_an_engine_says_what_it_was_held_to() -> None:
    monitor = Sensor(
        "dose-1", SensorKind.RADIATION_AREA, "quay", channels=[Channel("gamma", "count", period_us=SECOND_US)]
    )
    engine = Engine(DetectorsSettings().rules(Site(budgets={HUB: budget()})))
    engine.birth(Birth(1, HUB, "a", EPOCH, at(0), "", "", [monitor]), at(0))
    counts = [*np.random.default_rng(1).poisson(100, 300).astype(float).tolist(), *[200.0] * 10]
    found = []
    for seq, first in enumerate(range(0, len(counts), 10), 1):
        ten = Series("dose-1", "gamma", at(first), [i * SECOND_US for i in range(10)], counts[first : first + 10])
        found += engine.frame(Frame(1, HUB, "a", EPOCH, seq, at(first + 10), series=[ten]), at(first + 10))
    (rise,) = (each for each in found if isinstance(each, Detection) and each.type == "radiation.area")
    told = rise.evidence["false_alarm_budget"]
    share = allowance(budget(), "radiation_area", "false_alarms_per_day").share
    assert (told["set_by"], told["share_per_day"]) == ("budget", pytest.approx(share, rel=1e-3))
    assert rise.evidence["false_alarms_per_day"] == told["false_alarms_per_day"], "the threshold follows from it"


def test_without_a_budget_nothing_is_another() -> None:
    configs = DetectorsSettings().rules().configs
    for spec in (each for each in TABLE if each.rates):
        for site in (Site(), Site(budgets={"antwerp": budget()})):
            built: Any = spec.build(configs[spec.name], HUB, "x", site, late=False)
            assert built.config is configs[spec.name]
            assert built.origin.allowed == {}


def test_rates_times_a_factor_are_those_of_every_sensor_and_leave_thresholds_alone() -> None:
    found = budget()
    more = found.scaled("radiation_portal", 3.0)
    for sensor in ("rpm-1", "rpm-2"):
        before, after = (each.values("radiation_portal", sensor) for each in (found, more))
        assert after["false_alarms_per_occupancy"] == pytest.approx(3 * before["false_alarms_per_occupancy"])
    assert more.values("chemical", "") == found.values("chemical", "")
    days = found.scaled("access", 0.1).values("access", "door-1")["false_alarm_days"]
    assert days == pytest.approx(10 * found.values("access", "door-1")["false_alarm_days"]), "fewer are further apart"


def test_mistakes_in_budgets_are_told_with_their_place(tmp_path: Path) -> None:
    text = f'[[budgets]]\nhub = "{HUB}"\nfalse_alarms_per_day = 0\n[[budgets]]\nhub = "{HUB}"\n'
    text += "false_alarms_per_day = 1\nweights = { presence = 2 }\n"
    with pytest.raises(ConfigError) as told:
        loaded(tmp_path, text)
    for part in ("budgets[0].false_alarms_per_day", "budgets[1].hub", "has a budget already", "weights.presence"):
        assert part in str(told.value)


def test_achieved_rate_has_an_exact_interval() -> None:
    _, low, high = Achieved(1.0).rate or (0, 0, 0)
    assert (low, high) == pytest.approx((0.0, 3.689), abs=1e-3), "Garwood: none in a day"
    estimate, low, high = Achieved(10.0, alarms=4, judged=4, false=2).rate or (0, 0, 0)
    assert (estimate, low, high) == pytest.approx((0.2, 0.0242, 0.7225), abs=1e-4)


def test_alarms_that_nobody_judged_widen_the_interval() -> None:
    estimate, low, high = Achieved(10.0, alarms=4, judged=2, false=1).rate or (0, 0, 0)
    assert estimate == pytest.approx(0.2)
    assert low == pytest.approx(0.00253, abs=1e-5)
    assert high == pytest.approx(0.8767, abs=1e-4), "as if the other two were false too"


@pytest.mark.parametrize(
    ("achieved", "words"),
    [(Achieved(0.0), "no data: not watched"), (Achieved(3.0, alarms=2), "not known: none of 2 judged")],
)
def test_no_data_is_said_and_is_no_zero(achieved: Achieved, words: str) -> None:
    assert (achieved.in_words(), achieved.rate, achieved.figures()["rate"]) == (words, None, None)


def test_readers_are_those_the_site_names() -> None:
    (rate,) = (each for each in SPECS["access"].rates if each.field == "false_alarm_days")
    door = '[[doors]]\nsensor = "door-1"\nfrom = "a"\nto = "b"\nreaders = { in = "r1", out = "r2" }\n'
    zones = '[[zones]]\nid = "a"\nname = "A"\n[[zones]]\nid = "b"\nname = "B"\n'
    site = parse_site(f'[hub]\nid = "h"\nname = "H"\nmode = "sea"\ntime_zone = "UTC"\n{zones}{door}', "site")
    assert (rate.opportunities(Traffic(SENSORS)), rate.opportunities(Traffic(SENSORS, site))) == (1.0, 2.0)
