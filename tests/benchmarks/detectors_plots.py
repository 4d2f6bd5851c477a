"""The plots of the detectors' reference page: one for each detector, drawn from the figures that were measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from benchmarks.svg_plot import Line, Panel, plot
from support.intervals import share_interval

BEST_AREA_S = {5: 643.0, 10: 191.0, 20: 56.5, 50: 11.5, 100: 3.7}
"""Of a CUSUM tuned to the very rise, in the worst case (Moustakides 1986)."""

SENSORS = 29
"""Of the mixed hub."""

Figures = Mapping[str, float]
Points = list[tuple[float, float]]


def plots(figures: Figures) -> dict[str, str]:
    """Return the plots by their files' names."""
    return {f"detectors-{name}.svg": draw(figures) for name, draw in PLOTS.items()}


def _portal(figures: Figures) -> str:
    lines = [
        _measured(figures, name, f"portal_{kind}_found_1e4_d{{}}")
        for name, kind in (("no shadow", "flat"), ("5–25 % shielded", "dip"))
    ]
    x = "strength d (deviations seen by the best possible test)"
    y = "share found (95 %), at 1e-4 false alarms a vehicle"
    return plot("Radiation portal: sources found", [Panel(x, y, lines, top=1.0)])


def _area(figures: Figures) -> str:
    measured = [(float(percent), figures[f"area_delay_{percent}_s"]) for percent in BEST_AREA_S]
    relative = [(percent, delay / BEST_AREA_S[round(percent)]) for percent, delay in measured]
    errors = [figures[f"area_delay_{percent}_s_se"] / best for percent, best in BEST_AREA_S.items()]
    ends = [(y - 1.96 * error, y + 1.96 * error) for (_, y), error in zip(relative, errors, strict=True)]
    best = [(float(percent), 1.0) for percent in BEST_AREA_S]
    lines = [Line("measured (95 %)", relative, ends), Line("best possible", best)]
    return plot(
        "Area monitor: how soon a rise is found",
        [Panel("rise of the counts, %", "mean delay, multiples of the best possible", lines)],
    )


def _access(figures: Figures) -> str:
    attempts = Line("", _over(figures, "bruteforce_attempts_many_{}_h"))
    return plot(
        "Brute force with many badges",
        [Panel("attempts an hour", "mean attempts until it is found", [attempts])],
    )


def _badges(figures: Figures) -> str:
    found, false = (_over(figures, f"{key}_{{}}_days") for key in ("clone_pd", "clone_far"))
    lines = [Line("clones found", found), Line("owners called clones", false)]
    return plot("Cloned badges", [Panel("days of history", "share of sessions of four uses", lines, top=1.0)])


def _perimeter(figures: Figures) -> str:
    found = _measured(figures, "", "perimeter_pd_{}")
    false = _measured(figures, "measured", "perimeter_nuisance_km_day_{}")
    allowed = [(x, x) for x, _ in false.points if x <= 1.0]
    x = "false crossings allowed a km and day"
    return plot(
        "Perimeter: three layers",
        [
            Panel(x, "share of intruders found (95 %)", [found], top=1.0),
            Panel(x, "false crossings a km and day (95 %)", [false, Line("allowed", allowed)]),
        ],
    )


def _integrity(figures: Figures, name: str, what: str) -> str:
    found = [*_over(figures, f"integrity_{name}_found_{{}}_days"), (10.0, figures[f"integrity_{name}_found"])]
    shares = [(days, count / SENSORS) for days, count in found]
    line = Line("", shares, [share_interval(round(count), SENSORS) for _, count in found])
    return plot(what, [Panel("days of history", "share of 29 sensors of all kinds found (95 %)", [line], top=1.0)])


def _process(figures: Figures) -> str:
    found, quiet = (_over(figures, f"batadal04_{key}_{{}}") for key in ("tpr", "tnr"))
    lines = [Line("attacked hours found", found), Line("normal hours quiet", quiet)]
    return plot(
        "Process: BATADAL dataset04",
        [Panel("share of the history that would alarm", "share of hours", lines, top=1.0)],
    )


def _series(figures: Figures) -> str:
    found, outside = (Line("", _over(figures, f"nab_aws_{key}_{{}}")) for key in ("share", "outside"))
    x = "novelty (standard deviations)"
    return plot(
        "Series: NAB, realAWSCloudwatch",
        [
            Panel(x, "share of anomalous windows found", [found], top=1.0),
            Panel(x, "detections outside all windows, in 236 days", [outside]),
        ],
    )


def _chemical(figures: Figures) -> str:
    x = "rise, ppm an hour"
    found, level = (_measured(figures, "", f"chemical_{key}_{{}}") for key in ("found", "level"))
    return plot(
        "Gas: leaks found before the device's first alarm at 5 ppm",
        [Panel(x, "share found (95 %)", [found], top=1.0), Panel(x, "mean rise when it is found, ppm", [level])],
    )


def _screening(figures: Figures) -> str:
    found = _measured(figures, "", "screening_found_{}")
    needed = _measured(figures, "", "screening_vehicles_{}")
    return plot(
        "Scanner: vehicles that pass it by (95 %)",
        [
            Panel("vehicles an hour, all to be scanned", "share told within 3 min", [found], top=1.0),
            Panel("share to be scanned, %", "mean vehicles until told that none is", [needed]),
        ],
    )


def _power(figures: Figures) -> str:
    warnings = [
        Line(name, _over(figures, f"power_{key}_{{}}"))
        for name, key in (("power.lost", "warning"), ("power.low", "low"))
    ]
    sags = _measured(figures, "", "power_sag_{}")
    return plot(
        "Supply: warning before sensors fall silent, and sags",
        [
            Panel("battery lasts, min", "warning, min", warnings),
            Panel("sag, % of the usual voltage, for a minute", "share found (95 %)", [sags], top=1.0),
        ],
    )


def _presence(figures: Figures) -> str:
    delay = _measured(figures, "", "silent_delay_{}")
    false = _measured(figures, "", "silent_false_{}")
    return plot(
        "Silent sensors",
        [
            Panel("period of the readings, s", "mean delay after the last reading, s", [delay], log_y=True),
            Panel("readings lost, % (one a minute)", "false, per 1 000 sensor-days (95 %)", [false]),
        ],
    )


def _bounds(figures: Figures) -> str:
    delays = [
        Line("value that cannot be", _over(figures, "range_delay_{}")),
        Line("channel left out", _over(figures, "gap_delay_{}")),
    ]
    false = _measured(figures, "", "gap_false_{}")
    return plot(
        "Values that cannot be, and channels that are left out",
        [
            Panel("period of the readings, s", "delay, s", delays, log_y=True),
            Panel("readings lost, % (one a minute)", "false gaps, per 1 000 channel-days (95 %)", [false]),
        ],
    )


def _expected(figures: Figures) -> str:
    lanes, shadows = (_measured(figures, "", f"{key}_found_{{}}") for key in ("lane", "shadow"))
    return plot(
        "What should have happened and did not (95 %)",
        [
            Panel("vehicles an hour", "missing lane steps told within 3 min, share", [lanes], top=1.0),
            Panel("gamma counts/s", "occupancies without a vehicle found, share", [shadows], top=1.0),
        ],
    )


def _over(figures: Figures, key: str) -> Points:
    """Return the figures whose keys differ in one number, by that number."""
    pattern = re.compile(re.escape(key).replace(r"\{\}", r"(\d+(?:\.\d+)?)"))
    return sorted((float(found[1]), value) for name, value in figures.items() if (found := pattern.fullmatch(name)))


def _measured(figures: Figures, name: str, key: str) -> Line:
    """Return a line with the interval of each figure, which ends in `_low` and `_high`."""
    low, high = _over(figures, f"{key}_low"), _over(figures, f"{key}_high")
    return Line(name, _over(figures, key), [(a, b) for (_, a), (_, b) in zip(low, high, strict=True)])


PLOTS: dict[str, Callable[[Figures], str]] = {
    "portal": _portal,
    "area": _area,
    "chemical": _chemical,
    "screening": _screening,
    "access": _access,
    "badges": _badges,
    "perimeter": _perimeter,
    "presence": _presence,
    "frozen": lambda figures: _integrity(figures, "frozen", "Frozen: all channels stand still"),
    "replayed": lambda figures: _integrity(figures, "replayed", "Replayed: a copy of two days"),
    "spoofed": lambda figures: _integrity(figures, "spoofed", "Spoofed: written by a generator"),
    "bounds": _bounds,
    "expected": _expected,
    "power": _power,
    "process": _process,
    "series": _series,
}
