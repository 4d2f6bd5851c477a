"""What the portal detector says: one sentence for a guard, and the numbers that decided."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from hubwatch_detectors.radiation.counting import Excess
from hubwatch_detectors.radiation.verdict import ProfileVerdict

RAREST = 1e-300


def sigma(kind: str, now: Excess) -> float:
    """Return the excess in standard deviations; for neutrons the normal deviate of the same probability."""
    return now.sigma if kind == "gamma" else -NormalDist().inv_cdf(min(max(now.chance, RAREST), 0.5))


def plain_why(kind: str, now: Excess | None, *, own: bool) -> str:
    """Say what the sliding sum says."""
    if now is None:
        return f"the portal itself alarms on {kind}; no background is learned yet"
    seen = f"{now.counts:.0f} {kind} counts where background gives {now.expected:.1f}"
    measure = f"{now.sigma:.1f} sigma" if kind == "gamma" else f"probability {now.chance:.1e}"
    return f"the portal itself alarms on {kind}: {seen}" if own else f"{seen} ({measure})"


def plain_evidence(now: Excess | None, *, own: bool, occupied: bool, by_hand: bool) -> dict[str, object]:
    """Return what the sliding sum was judged by."""
    facts: dict[str, object] = {"occupied": occupied, "own_alarm": own, "rule": "sliding sum", "set_by_hand": by_hand}
    if now is not None:
        facts |= {
            "counts": now.counts,
            "expected": round(now.expected, 3),
            "sigma": round(now.sigma, 3),
            "chance": now.chance,
            "samples": now.samples,
            "background_samples": round(now.learned, 1),
        }
    return facts


def profile_why(kind: str, verdict: ProfileVerdict, allowed: float) -> str:
    """Say what the profile says."""
    return (
        f"about {verdict.source:.0f} {kind} counts above what a vehicle without a source leaves of the background, "
        f"{verdict.at_s:.1f} s after it came; fewer than one vehicle in {_one_in(verdict)} looks like this by chance "
        f"(one in {1 / allowed:,.0f} is allowed)"
    )


def norm_why(verdict: ProfileVerdict) -> str:
    """Say what a load of NORM looks like."""
    share = 100 * (verdict.counts / max(verdict.background, 1e-9) - 1)
    return (
        f"a long smooth profile {share:+.0f} % from the background as a whole, as of cargo with natural radioactivity "
        "(fertiliser, ceramics, ore), and no source that stands out of it"
    )


def profile_evidence(verdict: ProfileVerdict, allowed: float, distance_m: float, speed: float) -> dict[str, object]:
    """Return what the profile was judged by, and the profile with its baseline."""
    facts: dict[str, object] = {
        "rule": "profile",
        "set_by_hand": False,
        "log_likelihood_ratio": round(verdict.ratio, 3),
        "chance": max(float(np.exp(max(verdict.log_chance, -690.0))), RAREST),
        "allowed": allowed,
        "windows": verdict.windows,
        "counts": verdict.counts,
        "background": round(verdict.background, 2),
        "expected": round(verdict.expected, 2),
        "source_counts": round(verdict.source, 1),
        "source_at_s": round(verdict.at_s, 2),
        "shielded_share": verdict.depth,
        "load_share": verdict.load,
        "profile": {
            "t_s": np.round(verdict.t, 2).tolist(),
            "counts": np.round(verdict.seen, 1).tolist(),
            "without_source": np.round(verdict.baseline, 1).tolist(),
        },
    }
    if speed or verdict.width_s:
        facts["speed_m_s"] = round(speed or distance_m / verdict.width_s, 2)
        facts["speed_is"] = "measured" if speed else "from the width of the peak"
    return facts


def shift_why(kind: str, now: Excess, seconds: float) -> str:
    """Say that the background is off."""
    return (
        f"for {seconds:.0f} s the empty portal has shown {100 * (now.counts / max(now.expected, 1e-9) - 1):+.0f} % of "
        f"its {kind} background: a source or shield nearby, rain, or a panel at fault"
    )


def _one_in(verdict: ProfileVerdict) -> str:
    return f"{np.exp(min(-verdict.log_chance, 27.6)):,.0f}"  # a million million is enough
