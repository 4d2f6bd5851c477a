"""4-20 mA loops: values between the ends, and what a broken or failed loop looks like."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hubwatch_agents.profiles.measure import Measure
from hubwatch_agents.values.scaling import Sample, judge
from hubwatch_core.words import Quality

MICROAMPERES = {"raw_4ma": 4000, "raw_20ma": 20000, "low": 0, "high": 100}


def loop(**changes: object) -> Measure:
    return Measure.model_validate({"name": "dose_rate", "unit": "µSv/h", "loop": {**MICROAMPERES, **changes}})


@pytest.mark.parametrize(
    ("raw", "value"), [(4000, 0), (20000, 100), (12000, 50), (5000, 6.25), (3601, -2.49375), (20999, 106.24375)]
)
def test_current_within_the_limits_is_the_value_on_the_line_between_the_ends(raw: float, value: float) -> None:
    assert judge(loop())(raw) == Sample(value)


def test_ends_may_be_any_counts_and_any_values() -> None:
    read = judge(loop(raw_4ma=6554, raw_20ma=32767, low=-20, high=60))
    assert read(6554).x == -20
    assert read(32767).x == pytest.approx(60)
    assert read(19660.5).x == pytest.approx(20)


def test_falling_characteristic_is_a_loop_as_well() -> None:
    assert judge(loop(low=100, high=0))(8000).x == 75


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (0, "no current in the loop (0.00 mA): wire broken or no supply"),
        (499, "no current in the loop (0.50 mA): wire broken or no supply"),
        (2000, "2.00 mA: fault signal of the detector or broken loop"),
        (3600, "3.60 mA: fault signal of the detector or broken loop"),
        (21000, "21.00 mA: fault signal of the detector or broken loop"),
    ],
)
def test_current_beyond_the_limits_is_no_value_and_says_why(raw: float, reason: str) -> None:
    assert judge(loop())(raw) == Sample(None, Quality.BAD, reason)


@pytest.mark.parametrize("raw", [32767.0, float("nan"), float("inf")])
def test_sentinel_of_the_input_module_is_no_value(raw: float) -> None:
    measure = Measure.model_validate({"name": "c", "unit": "ppm", "loop": MICROAMPERES, "invalid": [32767]})
    assert judge(measure)(raw).quality is Quality.BAD


@pytest.mark.parametrize("more", [{"scale": 0.1}, {"divisor": 10}, {"offset": 1}, {"plausible": [0, 1]}])
def test_loop_beside_another_scale_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="its own scale"):
        Measure.model_validate({"name": "c", "unit": "ppm", "loop": MICROAMPERES, **more})


@pytest.mark.parametrize("same", [{"raw_20ma": 4000}, {"high": 0}])
def test_ends_that_are_the_same_are_refused(same: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="cannot be the same"):
        loop(**same)
