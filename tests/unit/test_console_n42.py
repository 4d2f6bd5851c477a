"""An occupancy as N42: right by the standard's elements and by the rules of its Annex M, the same file each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from hubwatch_console.pages.n42 import NAMESPACE, CountSample, PortalOccupancy, document
from hubwatch_core.words import Quality
from support.console_hub import gamma_evidence

SCHEMA = Path(__file__).parents[1] / "cases" / "n42" / "n42_2011_subset.xsd"
BEGAN = datetime(2026, 11, 30, 9, 0, 4, tzinfo=UTC)
MADE = {"n": NAMESPACE}
HOSTILE = "<b>&\x00\x1b[31m\ud800\ufffe]]>\n" + "x" * 5000


def sample(number: int, channel: str, value: float | None, **other: Any) -> CountSample:
    moment = BEGAN + timedelta(seconds=0.2 * number)
    return replace(CountSample(moment, channel, "count", value, Quality.GOOD, None, None), **other)


def row(number: int) -> list[CountSample]:
    occupied = float(0 <= number < 20)
    return [
        sample(number, "gamma.1", 402.0 + 300 * occupied), sample(number, "gamma.2", 398.0 + 310 * occupied),
        sample(number, "neutron.1", 1.0), sample(number, "occupied", occupied, unit="1"),
        sample(number, "gamma_background", 400.0), sample(number, "speed", 2.1, unit="m/s"),
    ]  # fmt: skip


SAMPLES = [each for number in range(-10, 30) for each in row(number)]
OCCUPANCY = PortalOccupancy(
    hub="rotterdam", zone="lane-1", sensor="rpm-1", profile="aspect-rpm", software="hubwatch 0.1.0", alarm=7,
    detection="01JD3Z00000000000000000001", type="radiation.gamma", why="about 2,984 counts above", exercise=False,
    began=BEGAN, ended=BEGAN + timedelta(seconds=4), judged=BEGAN + timedelta(seconds=4.1), detector="portal",
    detector_version=1, evidence=gamma_evidence(), samples=SAMPLES,
)  # fmt: skip


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMA))


def tree(occupancy: PortalOccupancy) -> Any:
    made = etree.fromstring(document(occupancy))
    schema().assertValid(made)
    assert broken(made) == []
    return made


def broken(made: Any) -> list[str]:
    """Return the rules of Annex M that a file breaks, by their names there, of those that concern what we write."""
    rules = {
        "AnalysisDataReferencesExclusivityCheck": "//n:AnalysisResults[not(@radMeasurementReferences) or "
        "@derivedDataReferences or @radMeasurementGroupReferences]",
        "CountDataValuesCheck": "//n:CountData[contains(normalize-space(.), ' ')]",
        "RadAlarmCategoryCheck": "//n:RadAlarm[n:RadAlarmCategoryCode='Other' and not(n:RadAlarmDescription)]",
        "RadDetectorCategoryCheck": "//n:RadDetectorCategoryCode[. = 'Other' and not(../n:RadDetectorDescription)]",
        "RadDetectorKindCheck": "//n:RadDetectorKindCode[. = 'Other' and not(../n:RadDetectorDescription)]",
        "RadMeasurementUniqueDetectorCheck": "//n:GrossCounts[@radDetectorInformationReference = "
        "preceding-sibling::n:GrossCounts/@radDetectorInformationReference]",
    }  # fmt: skip
    found = [name for name, wrong in rules.items() if made.xpath(wrong, namespaces=MADE)]
    for attribute, element in (("radDetectorInformationReference", "RadDetectorInformation"),
                               ("radMeasurementReferences", "RadMeasurement"),
                               ("radDetectorInformationReferences", "RadDetectorInformation")):  # fmt: skip
        names = set(made.xpath(f"//n:{element}/@id", namespaces=MADE))
        if {each for text in made.xpath(f"//@{attribute}") for each in text.split()} - names:
            found.append(f"{attribute} type match")
    return found


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"samples": SAMPLES[:4]},
        {"samples": [sample(1, "gamma.1", 4.0)]},
        {"samples": [sample(-9, "gamma.1", 4.0)]},
        {
            "samples": [
                sample(1, name, 4.0) for name in ("gamma", "gamma.a b", "gamma.a_b", "gamma.ä", "gamma.1#2", "neutron")
            ]
        },
        {"samples": [sample(i, "gamma.1", 4.5, unit="count/s", period_s=0.5) for i in range(9)]},
        {"samples": [sample(i, "neutron.1", 1.0, quality=Quality.UNCERTAIN, reason=HOSTILE) for i in range(9)]},
        {"samples": []},
        {"zone": None, "profile": None, "software": None, "is_cut": True, "exercise": True},
        {"type": "radiation.neutron"},
        {"type": "radiation.norm", "evidence": {}},
        {"evidence": {"counts": float("nan"), "chance": True, "allowed": "x", "profile": gamma_evidence()["profile"]}},
        {"why": HOSTILE, "sensor": HOSTILE, "hub": HOSTILE, "profile": HOSTILE, "detector": HOSTILE, "zone": HOSTILE},
        {"why": "", "software": "", "detector": " "},
    ],
    ids=lambda change: "-".join(change) or "whole",
)
def test_file_is_valid_by_the_schema(change: dict[str, Any]) -> None:
    tree(replace(OCCUPANCY, **change))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("PT0.2S", "0.2"), ("Portal Monitor", "Portal"), ("Foreground", "Occupied"), ('id="slice-2"', 'id="slice-1"'),
        ('References="slice-11', 'References="slice-999'), ("+00:00", ""), (">702<", ">-702<"), ("Gamma", "gamma"),
        ("<OccupancyIndicator>true</OccupancyIndicator>", ""), ("<CountData>702<", "<CountData>702 3<"),
        ("radMeasurementReferences", "remark"), ('Reference="gamma.2"', 'Reference="gamma.1"'),
    ],
)  # fmt: skip
def test_schema_refuses_a_file_that_is_wrong(was: str, becomes: str) -> None:
    text = document(OCCUPANCY).decode().replace("Z</", "+00:00</")
    assert was in text
    spoilt = text.replace(was, becomes)
    if "OccupancyIndicator" in was:
        spoilt = spoilt.replace("<MeasurementClassCode>", f"{was}<MeasurementClassCode>", 1)
    assert schema().validate(etree.fromstring(text.encode()))
    wrong = etree.fromstring(spoilt.encode())
    assert not schema().validate(wrong) or broken(wrong) != []


def test_each_moment_is_a_slice_with_the_counts_of_every_panel_and_what_the_portal_says_of_itself() -> None:
    made = tree(OCCUPANCY)
    slices = made.findall("n:RadMeasurement", MADE)
    assert len(slices) == 40
    said = [each.findtext("n:OccupancyIndicator", None, MADE) for each in slices]
    assert said == ["false"] * 10 + ["true"] * 20 + ["false"] * 10
    names = [each.text for each in made.iterfind("n:RadDetectorInformation/n:RadDetectorName", MADE)]
    assert names == ["gamma.1", "gamma.2", "neutron.1"]
    assert [each.text for each in slices[12].iterfind("n:GrossCounts/n:CountData", MADE)] == ["702", "708", "1"]
    assert slices[12].findtext("n:StartDateTime", None, MADE) == "2026-11-30T09:00:04.200000Z"
    assert slices[12].findtext("n:RealTimeDuration", None, MADE) == "PT0.2S"
    alarm = made.find("n:AnalysisResults/n:RadAlarm", MADE)
    assert alarm.get("radDetectorInformationReferences") == "gamma.1 gamma.2"
    assert alarm.findtext("n:RadAlarmCategoryCode", None, MADE) == "Gamma"
    settings = {
        each.findtext("n:AnalysisAlgorithmSettingName", None, MADE): (
            each.findtext("n:AnalysisAlgorithmSettingValue", None, MADE),
            each.findtext("n:AnalysisAlgorithmSettingUnits", None, MADE),
        )
        for each in made.iterfind("n:AnalysisResults/n:AnalysisAlgorithmSetting", MADE)
    }
    assert settings["Counts of the source"] == ("2984.2", "counts")


def test_what_may_not_be_believed_is_left_out_and_said() -> None:
    bad = [sample(3, "gamma.1", 9e9, quality=Quality.BAD), sample(4, "gamma.1", None), sample(5, "gamma.1", -1.0)]
    others = [sample(6, "gamma.1@other", 5.0), sample(6, "gamma.2", 5.0)]
    made = tree(replace(OCCUPANCY, samples=[*bad, *others]))
    assert [each.text for each in made.iter(f"{{{NAMESPACE}}}CountData")] == ["5"]
    remarks = [each.text for each in made.iterfind("n:Remark", MADE)]
    assert any(each.startswith("3 readings are left out") for each in remarks)


def test_rate_is_counted_over_its_period() -> None:
    samples = [sample(i, "gamma.1", 40.0, unit="count/s", period_s=0.5) for i in range(3)]
    made = tree(replace(OCCUPANCY, samples=samples))
    assert {each.text for each in made.iter(f"{{{NAMESPACE}}}CountData")} == {"20"}


def test_sums_of_the_detector_stand_in_for_readings_that_are_deleted() -> None:
    made = tree(replace(OCCUPANCY, samples=[]))
    assert len(made.findall("n:RadMeasurement", MADE)) == 60
    assert any("not stored" in each.text for each in made.iterfind("n:Remark", MADE))
    assert document(replace(OCCUPANCY, samples=[], evidence={})) == b""


def test_exercise_is_said_first() -> None:
    made = tree(replace(OCCUPANCY, exercise=True))
    assert made.findtext("n:Remark", None, MADE).startswith("EXERCISE")


def test_same_occupancy_gives_the_same_file_and_another_one_another_number() -> None:
    assert document(OCCUPANCY) == document(OCCUPANCY)
    other = tree(replace(OCCUPANCY, detection="01JD3Z00000000000000000002"))
    assert other.get("n42DocUUID") != tree(OCCUPANCY).get("n42DocUUID")


def test_each_channel_counts_over_its_own_period() -> None:
    rates = [
        each for number in range(0, 10)
        for each in (sample(number, "gamma.1", 100.0, unit="count/s", period_s=0.2),
                     sample(number, "neutron.1", 3.0, unit="count/s", period_s=2.0))
    ]  # fmt: skip
    made = tree(replace(OCCUPANCY, samples=rates))
    (first, *_) = made.findall("n:RadMeasurement", MADE)
    said = {
        each.get("radDetectorInformationReference"): (
            each.findtext("n:LiveTimeDuration", namespaces=MADE), each.findtext("n:CountData", namespaces=MADE),
        )
        for each in first.findall("n:GrossCounts", MADE)
    }  # fmt: skip
    assert said == {"gamma.1": ("PT0.2S", "20"), "neutron.1": ("PT2S", "6")}
    assert first.findtext("n:RealTimeDuration", namespaces=MADE) == "PT2S"
