"""Times in every format that profiles can name: each is read or told to be none."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from hubwatch_agents.drivers.mqtt import paths
from hubwatch_agents.profiles.mqtt_schema import DeviceTime
from support.fuzzing import fuzzed

FORMATS = ("iso", "unix_s", "unix_ms", "%Y-%m-%d %H:%M:%S", "%d.%m.%y %H:%M", "%a %b %d %H:%M:%S %Y", "%j%H%M%S%f%z")
moments = st.datetimes().map(lambda moment: moment.replace(tzinfo=UTC))
forms = st.sampled_from(FORMATS)
changes = st.text(alphabet="0123456789-+:. TZUC\0\u0661\ud800", max_size=6)


@st.composite
def written_times(draw: st.DrawFn) -> object:
    """Return a time in one of the formats, often with something changed in it."""
    form, moment = draw(forms), draw(moments)
    if form == "unix_s":
        return draw(st.sampled_from([moment.timestamp(), str(moment.timestamp()), float("nan"), 10**400, True]))
    text = moment.isoformat() if form in ("iso", "unix_ms") else moment.strftime(form)
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(changes) + text[at + draw(st.integers(0, 3)) :]


@fuzzed(forms, st.sampled_from(["UTC", "Europe/Amsterdam"]), written_times())
def test_time_in_any_format_is_read_or_told_to_be_none(form: str, zone: str, value: object) -> None:
    rule = DeviceTime(path="t", format=form, zone=zone)
    try:
        moment = paths.device_time({"t": value}, rule)
    except paths.UnreadableTime:
        return
    assert moment is not None
    assert paths.EARLIEST_US <= moment <= paths.LATEST_US
    assert datetime.fromtimestamp(moment / 1e6, UTC).year <= 2100
