"""What the detectors of doors and badges find and how often they are wrong, by simulation with fixed seeds.

The models are in `support/badge_model.py`. Keys that end in `_low` and `_high` are the 95 % interval of the key.

- `bruteforce_attempts`: mean attempts until the alarm at 60 an hour, over the three kinds of attack, which
  `bruteforce_attempts_many`, `_one` and `_unnamed` give alone; `_slow`: at 6 an hour, many badges;
  `bruteforce_attempts_many_1_h` and alike: many badges, at so many attempts an hour;
- `bruteforce_false_per_reader_30d`: false alarms with people who mistype in bursts, 0.5 denials an hour, badges named;
  `_unnamed` where the reader names none;
- `clone_pd`, `clone_far`: sessions of four uses by a clone and by the owner, 30 days of history; `clone_far_stream`:
  false alarms for every four uses over the days of a normal life;
  `clone_pd_10_days` and alike: the share found after so many days of history, fewer people;
- `passback_pd`, `passback_far`: four entries of a clone, and person-days, where every exit is badged; `_unread` where
  2 % of the exits are not;
- `travel_found`, `travel_false`: share of the pairs below the least time, and above it;
- `after_hours_pd`, `after_hours_far`: strangers at night, and person-days with one call in 50 nights.
"""

from __future__ import annotations

import numpy as np

from benchmarks.result import Progress
from support.badge_model import (
    ATTACKS,
    CloneFigures,
    attempts,
    clones,
    interval,
    mistyping_alarms,
    nights,
    passback,
    travel,
)

RUNS = 600
READERS, MONTHS = 25, 12
RATES_H = (1, 3, 10, 30, 100)
HISTORIES_DAYS = (10, 20, 30, 60, 90)
JUDGED = (9101, 9102, 9103, 9104)
"""Seeds of the hubs with clones; the detector was developed on others (1001 to 9004)."""


async def measure(progress: Progress) -> dict[str, float]:
    """Measure everything; takes a few minutes."""
    return _brute_force(progress) | _clones(progress) | _places(progress) | _nights(progress)


def _brute_force(progress: Progress) -> dict[str, float]:
    progress(f"{RUNS} attacks on a reader of each kind, and {READERS * MONTHS} reader-months of people who mistype")
    means = {style: float(np.mean(attempts(60, style, RUNS, seed=31))) for style in ATTACKS}
    figures = {f"bruteforce_attempts_{style}": mean for style, mean in means.items()}
    figures["bruteforce_attempts"] = float(np.mean(list(means.values())))
    figures["bruteforce_attempts_slow"] = float(np.mean(attempts(6, "many", RUNS // 4, seed=32)))
    for rate_h in RATES_H:
        figures[f"bruteforce_attempts_many_{rate_h}_h"] = float(np.mean(attempts(rate_h, "many", RUNS // 4, seed=38)))
    for key, named in (("", True), ("_unnamed", False)):
        alarms = mistyping_alarms(READERS, MONTHS, named=named)
        rate, half = alarms / (READERS * MONTHS), 1.96 * np.sqrt(alarms + 1) / (READERS * MONTHS)
        figures |= _with_interval(f"bruteforce_false_per_reader_30d{key}", rate, max(0.0, rate - half), rate + half)
    return figures


def _clones(progress: Progress) -> dict[str, float]:
    hubs: list[CloneFigures] = []
    for seed in JUDGED:
        progress(f"clones of 300 people with 30 days of history, hub {len(hubs) + 1} of {len(JUDGED)}")
        hubs.append(clones(people=300, days=30, rounds=6, seed=seed))
    seen = CloneFigures(*map(sum, zip(*hubs, strict=True)))
    figures = _share("clone_pd", seen.found, seen.sessions) | _share("clone_far", seen.false, seen.sessions)
    for days in HISTORIES_DAYS:
        shorter = clones(people=100, days=days, rounds=6, seed=39)
        figures[f"clone_pd_{days}_days"] = shorter.found / shorter.sessions
        figures[f"clone_far_{days}_days"] = shorter.false / shorter.sessions
    return figures | _share("clone_far_stream", seen.stream_false, seen.stream_uses // 4)


def _places(progress: Progress) -> dict[str, float]:
    progress("clones of people who come and go, and badges at two places")
    exact, unread, far = passback(800, 10, seed=34), passback(400, 20, unread=0.02, seed=35), travel(4000, seed=36)
    return {
        **_share("passback_pd", exact.found, exact.trials),
        **_share("passback_far", exact.false, exact.chances),
        **_share("passback_pd_unread", unread.found, unread.trials),
        **_share("passback_far_unread", unread.false, unread.chances),
        **_share("travel_found", far.found, far.trials),
        **_share("travel_false", far.false, far.chances),
    }


def _nights(progress: Progress) -> dict[str, float]:
    progress("nights on call of 200 people")
    seen = nights(people=200, days=40, seed=37, on_call=0.02)
    return _share("after_hours_pd", seen.found, seen.trials) | _share("after_hours_far", seen.false, seen.chances)


def _share(key: str, found: int, trials: int) -> dict[str, float]:
    return _with_interval(key, found / trials, *interval(found, trials))


def _with_interval(key: str, value: float, low: float, high: float) -> dict[str, float]:
    return {key: value, f"{key}_low": low, f"{key}_high": high}
