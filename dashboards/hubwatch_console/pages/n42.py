"""Writes an occupancy of a radiation portal as ANSI N42.42-2011 (IEC 62755): a slice of time for each moment. Pure.

What hubwatch does not know of a device it says so of, and never invents: the kind of detector, its make, the keV of a
window. The same occupancy gives the same file, byte for byte, so that a digest of it stays right.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any
from xml.etree import ElementTree as Xml

from hubwatch_core import __version__
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import Quality

NAMESPACE = "http://physics.nist.gov/N42/2011/N42"
MOST_DETECTORS = 32
RAYS = {"gamma": "Gamma", "neutron": "Neutron"}
COUNTS = frozenset({"count", "counts"})
RATES = frozenset({"1/s", "cps", "count/s", "counts/s"})
NOT_KNOWN = "not known"
OCCUPIED_FROM = 0.5
MOST_TEXT = 2_000
SETTINGS: Mapping[str, tuple[str, str]] = {
    "counts": ("Counts of the occupancy", "counts"),
    "expected": ("Counts without a source", "counts"),
    "background": ("Background counts of the same time", "counts"),
    "source_counts": ("Counts of the source", "counts"),
    "chance": ("Share of vehicles without a source that look so", "1"),
    "allowed": ("Allowed share of false alarms", "1"),
    "sigma": ("Excess in standard deviations", "1"),
    "speed_m_s": ("Speed", "m/s"),
}
"""Of an evidence: how an expert calls it, and its unit."""


@dataclass(frozen=True, slots=True)
class CountSample:
    """What one channel of a portal counted in one moment."""

    time: datetime
    """When it was read: the end of what it counted."""
    channel: str
    unit: str
    value: float | None
    quality: int
    reason: str | None
    period_s: float | None


@dataclass(frozen=True, slots=True)
class PortalOccupancy:
    """One vehicle in a portal: who stood where, what was found, and what was measured around it."""

    hub: str
    zone: str | None
    sensor: str
    profile: str | None
    software: str | None
    alarm: int
    detection: str
    type: str
    why: str
    exercise: bool
    began: datetime
    ended: datetime
    judged: datetime
    detector: str
    detector_version: int
    evidence: Mapping[str, Any]
    samples: Sequence[CountSample]
    is_cut: bool = False
    """Whether there is more than is handed out."""

    @property
    def ray(self) -> str:
        """Return what it alarmed on, in the words of the standard."""
        return RAYS.get(self.type.rpartition(".")[2], "Other")


def document(occupancy: PortalOccupancy) -> bytes:
    """Return the file; nothing where no count of the occupancy is left."""
    measured = [each for each in occupancy.samples if _is_count(each)]
    counted = measured or _kept(occupancy)
    channels = list(dict.fromkeys(each.channel for each in counted))[:MOST_DETECTORS]
    if not channels:
        return b""
    named = _names(channels)
    said = one_line(f"hubwatch:{occupancy.hub}:{occupancy.detection}")
    root = Xml.Element("RadInstrumentData", xmlns=NAMESPACE, n42DocUUID=str(uuid.uuid5(uuid.NAMESPACE_URL, said)))
    for remark in _remarks(occupancy, counted, measured=bool(measured)):
        _add(root, "Remark", remark)
    _add(root, "RadInstrumentDataCreatorName", f"hubwatch {__version__}")
    _instrument(root, occupancy)
    for channel, name in named.items():
        _detector(root, channel, name)
    judged = _slices(root, occupancy, [each for each in counted if each.channel in named], named)
    alarmed = [named[channel] for channel in channels if _ray(channel) == occupancy.ray]
    _analysis(root, occupancy, judged, alarmed or list(named.values()))
    Xml.indent(root)
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _kept(occupancy: PortalOccupancy) -> list[CountSample]:
    """Return the sums that the detector kept of an occupancy, for when the readings themselves are deleted."""
    profile = occupancy.evidence.get("profile")
    if not isinstance(profile, Mapping):
        return []
    times, counts = _numbers(profile.get("t_s")), _numbers(profile.get("counts"))
    if len(times) < 2 or len(times) != len(counts):
        return []
    width = max(median(after - before for before, after in pairwise(times)), 1e-3)
    channel = "neutron" if occupancy.ray == RAYS["neutron"] else "gamma"
    ends = [occupancy.began + timedelta(seconds=middle + width / 2) for middle in times]
    return [
        CountSample(end, channel, "count", value, Quality.GOOD, None, width)
        for end, value in zip(ends, counts, strict=True)
    ]  # fmt: skip


def _remarks(occupancy: PortalOccupancy, counted: Sequence[CountSample], *, measured: bool) -> Iterator[str]:
    if occupancy.exercise:
        yield "EXERCISE: nothing of this is real."
    yield f"Hub {occupancy.hub}, alarm {occupancy.alarm}, detection {occupancy.detection}."
    if not measured:
        yield "The readings are not stored: these are the sums over all channels that the detector kept."
    yield "A reading is taken for what was counted in the period that ended with it. Times are UTC."
    left_out = sum(_ray(each.channel) is not None and not _is_count(each) for each in occupancy.samples)
    if left_out:
        yield f"{left_out} readings are left out: their quality is bad or they are no counts. The CSV has them."
    if any(each.unit in RATES for each in counted):
        yield "Count rates were multiplied by their period."
    if occupancy.is_cut:
        yield "The occupancy is longer than what is handed out: it is cut."


def _instrument(root: Xml.Element, occupancy: PortalOccupancy) -> None:
    made = Xml.SubElement(root, "RadInstrumentInformation", id="instrument")
    _add(made, "RadInstrumentManufacturerName", NOT_KNOWN)
    _add(made, "RadInstrumentIdentifier", occupancy.sensor)
    _add(made, "RadInstrumentModelName", f"profile {occupancy.profile}" if occupancy.profile else NOT_KNOWN)
    _add(made, "RadInstrumentDescription", f"Portal {occupancy.sensor} in {occupancy.zone or occupancy.hub}")
    _add(made, "RadInstrumentClassCode", "Portal Monitor")
    for name, version in (("Software", NOT_KNOWN), ("hubwatch agent", occupancy.software or NOT_KNOWN)):
        component = Xml.SubElement(made, "RadInstrumentVersion")
        _add(component, "RadInstrumentComponentName", name)
        _add(component, "RadInstrumentComponentVersion", version)


def _detector(root: Xml.Element, channel: str, name: str) -> None:
    made = Xml.SubElement(root, "RadDetectorInformation", id=name)
    _add(made, "RadDetectorName", channel)
    _add(made, "RadDetectorCategoryCode", _ray(channel) or "Other")
    _add(made, "RadDetectorKindCode", "Other")
    _add(made, "RadDetectorDescription", f"Channel {channel}; kind and energy window are not known to hubwatch")


def _slices(
    root: Xml.Element, occupancy: PortalOccupancy, counted: Sequence[CountSample], named: Mapping[str, str]
) -> list[str]:  # fmt: skip
    """Add a measurement for each moment; return the names of those that were judged: where the portal was occupied."""
    occupied_at = {
        each.time: each.value for each in occupancy.samples if each.channel == "occupied" and each.quality < 2
    }
    periods = _periods(counted)
    moments: dict[datetime, dict[str, CountSample]] = {}
    for each in sorted(counted, key=lambda sample: (sample.time, sample.channel)):
        moments.setdefault(each.time, {})[each.channel] = each
    judged, every = [], []
    for number, (moment, samples) in enumerate(moments.items(), 1):
        lasted = {channel: each.period_s or periods[channel] for channel, each in samples.items()}
        period_s = max(lasted.values())
        said = occupied_at.get(moment)
        occupied = said >= OCCUPIED_FROM if said is not None else occupancy.began <= moment <= occupancy.ended
        name = f"slice-{number}"
        made = Xml.SubElement(root, "RadMeasurement", id=name)
        _add(made, "MeasurementClassCode", "Foreground" if occupied else "Background")
        _add(made, "StartDateTime", _time(moment - timedelta(seconds=period_s)))
        _add(made, "RealTimeDuration", _duration(period_s))
        for channel, sample in samples.items():
            _counts(made, sample, f"{name}-{named[channel]}", named[channel], lasted[channel])
        _add(made, "OccupancyIndicator", "true" if occupied else "false")
        every.append(name)
        if occupied:
            judged.append(name)
    return judged or every


def _counts(made: Xml.Element, sample: CountSample, name: str, detector: str, period_s: float) -> None:
    gross = Xml.SubElement(made, "GrossCounts", id=name, radDetectorInformationReference=detector)
    if sample.quality == Quality.UNCERTAIN:
        _add(gross, "Remark", f"uncertain: {sample.reason or 'no reason given'}")
    value = float(sample.value or 0.0) * (period_s if sample.unit in RATES else 1.0)
    _add(gross, "LiveTimeDuration", _duration(period_s))
    _add(gross, "CountData", f"{value:.0f}" if value.is_integer() else f"{value:.6g}")


def _analysis(root: Xml.Element, occupancy: PortalOccupancy, judged: Sequence[str], detectors: Sequence[str]) -> None:
    made = Xml.SubElement(root, "AnalysisResults", id="analysis", radMeasurementReferences=" ".join(judged))
    _add(made, "AnalysisStartDateTime", _time(occupancy.judged))
    _add(made, "AnalysisAlgorithmName", f"{occupancy.type} by {occupancy.detector}")
    _add(made, "AnalysisAlgorithmCreatorName", "hubwatch")
    version = Xml.SubElement(made, "AnalysisAlgorithmVersion")
    _add(version, "AnalysisAlgorithmComponentName", occupancy.detector)
    _add(version, "AnalysisAlgorithmComponentVersion", str(occupancy.detector_version))
    for key, (name, unit) in SETTINGS.items():
        value = occupancy.evidence.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            setting = Xml.SubElement(made, "AnalysisAlgorithmSetting")
            _add(setting, "AnalysisAlgorithmSettingName", name)
            _add(setting, "AnalysisAlgorithmSettingValue", f"{value:.6g}")
            _add(setting, "AnalysisAlgorithmSettingUnits", unit)
    _add(made, "AnalysisResultStatusCode", "Success")
    _add(made, "AnalysisResultDescription", occupancy.why)
    alarm = Xml.SubElement(made, "RadAlarm", id="alarm", radDetectorInformationReferences=" ".join(detectors))
    _add(alarm, "RadAlarmDateTime", _time(occupancy.judged))
    _add(alarm, "RadAlarmCategoryCode", occupancy.ray)
    _add(alarm, "RadAlarmDescription", occupancy.type)


def _is_count(sample: CountSample) -> bool:
    """Return whether a sample is a count of radiation that may be believed."""
    good = sample.quality < Quality.BAD and sample.value is not None
    return (
        good
        and _ray(sample.channel) is not None
        and sample.unit in COUNTS | RATES
        and 0 <= float(sample.value or 0) < 1e15
    )


def _ray(channel: str) -> str | None:
    """Return the ray that a channel counts: `gamma.1`, `neutron`; no background of the device, no rival's word."""
    name, _, other = channel.partition("@")
    return None if other else RAYS.get(name.partition("#")[0].partition(".")[0])


def _names(channels: Sequence[str]) -> dict[str, str]:
    """Return by channel what its detector is called, which programs show: the channel itself where XML allows it."""
    found: dict[str, str] = {}
    for number, channel in enumerate(channels, 1):
        name = re.sub(r"[^A-Za-z0-9._-]", "_", channel)[:60]
        found[channel] = f"{name}-{number}" if name in found.values() or name != channel else name
    return found


def _periods(counted: Sequence[CountSample]) -> dict[str, float]:
    """Return by channel how long a sample of it counts, by the pauses between them; a second where there is but one."""
    times: dict[str, list[datetime]] = {}
    for each in counted:
        times.setdefault(each.channel, []).append(each.time)
    found = {}
    for channel, moments in times.items():
        pauses = [(after - before).total_seconds() for before, after in pairwise(sorted(set(moments)))]
        found[channel] = median(pauses) if pauses else 1.0
    return found


def _numbers(value: object) -> list[float]:
    items = value[:2_000] if isinstance(value, list) else []
    good = [float(each) for each in items if isinstance(each, int | float) and not isinstance(each, bool)]
    return good if len(good) == len(items) and all(map(math.isfinite, good)) else []


def _add(parent: Xml.Element, name: str, text: str) -> None:
    Xml.SubElement(parent, name).text = one_line(text)[:MOST_TEXT] or NOT_KNOWN


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _duration(seconds: float) -> str:
    return f"PT{f'{max(seconds, 0.0):.6f}'.rstrip('0').rstrip('.')}S"
