"""What a detector was led by, in words of the field with units, where an evidence has names of programs. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from babel.numbers import format_decimal, format_percent

from hubwatch_console.pages.drawing import is_number
from hubwatch_console.pages.language import marked as _
from hubwatch_console.pages.rendering import Page, span
from hubwatch_core.plain_text import one_line

MOST_FACTS = 24
MOST_ITEMS = 8
MOST_TEXT = 200
SURELY_SMALL = 1e-6
"""From here on nobody reads the digits: the power of ten is said."""


class EvidenceWord(NamedTuple):
    """How a fact of an evidence is called, and how its value is read."""

    label: str
    form: str = ""
    """`s`, `1` (a count), `share`, `chance`, `unit` (that of the channel), or a unit that stands behind the number."""


Word = EvidenceWord

WORDS: Mapping[str, EvidenceWord] = MappingProxyType(
    {
        # Radiation.
        "counts": Word(_("Counts during the passage"), "1"),
        "background": Word(_("Background"), "unit"),
        "expected": Word(_("Expected without a source"), "unit"),
        "source_counts": Word(_("Counts of the source"), "1"),
        "source_at_s": Word(_("Source passed after"), "s"),
        "chance": Word(_("By chance"), "chance"),
        "allowed": Word(_("Allowed by chance"), "chance"),
        "sigma": Word(_("Excess, standard deviations"), "σ"),
        "samples": Word(_("Samples judged"), "1"),
        "background_samples": Word(_("Samples of the background"), "1"),
        "log_likelihood_ratio": Word(_("Strength of the evidence"), "nat"),
        "windows": Word(_("Windows judged"), "1"),
        "shielded_share": Word(_("Background shielded by the vehicle"), "share"),
        "load_share": Word(_("Rise by the whole load"), "share"),
        "speed_m_s": Word(_("Speed"), "m/s"),
        "speed_is": Word(_("Speed is")),
        "occupied": Word(_("A vehicle was in the portal")),
        "own_alarm": Word(_("The device itself alarmed")),
        "set_by_hand": Word(_("Threshold set by hand")),
        "level_by_hand": Word(_("Threshold set by hand")),
        "level": Word(_("Level"), "unit"),
        "sample_s": Word(_("A sample lasts"), "s"),
        "nats": Word(_("Strength of the evidence"), "nat"),
        "nats_needed": Word(_("Strength needed"), "nat"),
        "false_alarms_per_day": Word(_("False alarms allowed"), "/ d"),
        "learned_s": Word(_("Background learned for"), "s"),
        "dispersion": Word(_("Scatter against counting alone"), "×"),
        "wander": Word(_("Wander of the background"), "share"),
        "rain_mm_h": Word(_("Rain"), "mm/h"),
        "rain_and_hour": Word(_("Background by rain and hour"), "×"),
        "spikes_kept_out": Word(_("Spikes left out"), "1"),
        # Access.
        "reader": Word(_("Reader")),
        "reason": Word(_("Reason")),
        "event": Word(_("The device said")),
        "denials": Word(_("Denied badges"), "1"),
        "subjects": Word(_("Different badges"), "1"),
        "minutes": Word(_("Within"), "min"),
        "usual_per_hour": Word(_("Usual"), "/ h"),
        "by_attack_per_hour": Word(_("As in an attack"), "/ h"),
        "threshold": Word(_("Threshold"), ""),
        "seconds": Word(_("Took"), "s"),
        "usual_seconds": Word(_("Usual"), "s"),
        "least_seconds": Word(_("Nobody is faster than"), "s"),
        "scatter": Word(_("Scatter of the usual times"), ""),
        "held_s": Word(_("May stand open for"), "s"),
        "seconds_since_grant": Word(_("Since a badge was let in"), "s"),
        "seconds_since_authority": Word(_("Since anybody was let through"), "s"),
        "from": Word(_("First at")),
        "to": Word(_("Then at")),
        "zone": Word(_("Zone")),
        "last_zone": Word(_("Last in")),
        "last_door": Word(_("Last door")),
        "hours_since": Word(_("Since then"), "h"),
        "conflicts": Word(_("Contradictions"), "1"),
        "conflicts_needed": Word(_("Contradictions needed"), "1"),
        "share_of_exits_unread": Word(_("People who leave unread"), "share"),
        "history": Word(_("Uses of the badge known"), "1"),
        "usual_doors": Word(_("Usual doors"), "1"),
        "concentration": Word(_("Concentration on few doors"), ""),
        "chance_of_hour": Word(_("At this hour by chance"), "chance"),
        "chance_of_doors": Word(_("At these doors by chance"), "chance"),
        # Perimeter.
        "gate_open": Word(_("The way was open by chance"), "chance"),
        "nuisance_per_day": Word(_("Nuisance alarms"), "/ d"),
        "weather": Word(_("Weather")),
        "false_crossings_per_km_day": Word(_("False crossings allowed"), "/ km d"),
        "not_kept_below": Word(_("Not kept below"), "/ km d"),
        "chance_allowed": Word(_("Allowed by chance"), "chance"),
        "quiet_s": Word(_("Quiet before"), "s"),
        "layer": Word(_("Line")),
        "position_m": Word(_("Place along the fence"), "m"),
        "alarms": Word(_("Alarms"), "1"),
        "usual_per_day": Word(_("Usual"), "/ d"),
        # Chemical, process, power, screening.
        "value": Word(_("Value"), "unit"),
        "usual": Word(_("Usual"), "unit"),
        "noise": Word(_("Noise"), "unit"),
        "rise_per_min": Word(_("Rises by"), "unit / min"),
        "others_in_zone": Word(_("Other sensors in the zone"), "1"),
        "others_rising": Word(_("Of those that rise too"), "1"),
        "substance": Word(_("Substance")),
        "unit": Word(_("Unit")),
        "novelty": Word(_("How unlike the past"), ""),
        "mean": Word(_("Mean"), "unit"),
        "deviation": Word(_("Standard deviation"), "unit"),
        "signals": Word(_("Signals that differ")),
        "step_s": Word(_("Step"), "s"),
        "expected_false_share": Word(_("False by chance"), "share"),
        "model_rows": Word(_("Rows learned from"), "1"),
        "period_s": Word(_("Usual pause"), "s"),
        "source": Word(_("Said by")),
        "feeds": Word(_("Feeds")),
        "mains_lost": Word(_("Mains are gone")),
        "levels": Word(_("Levels"), ""),
        "said": Word(_("The device said")),
        "scans": Word(_("Scans"), "1"),
        "kind": Word(_("Kind")),
        "lane": Word(_("Lane")),
        "before": Word(_("Passed before")),
        "within_s": Word(_("Expected within"), "s"),
        "share": Word(_("Share"), "share"),
        "vehicles": Word(_("Vehicles"), "1"),
        "scanned": Word(_("Scanned"), "1"),
        # Integrity.
        "agent": Word(_("Agent")),
        "agents": Word(_("Agents")),
        "judged": Word(_("Whose word counts")),
        "both_read_it": Word(_("Both read the device")),
        "how": Word(_("How")),
        "error": Word(_("Error")),
        "low": Word(_("Can be no less than"), "unit"),
        "high": Word(_("Can be no more than"), "unit"),
        "what": Word(_("What did not happen")),
        "shadow": Word(_("Dip of the background"), "share"),
        "grants": Word(_("Badges let in and no door opened"), "1"),
        "unused_share": Word(_("Usually not used"), "share"),
        "repeat_share": Word(_("Values that repeat, usually"), "share"),
        "rest_h": Word(_("Unchanged for"), "h"),
        "longest_h": Word(_("Longest before"), "h"),
        "offset_s": Word(_("Clock is off by"), "s"),
        "sensors": Word(_("Sensors")),
        "zones": Word(_("Zones")),
        "lag_s": Word(_("Copied from before"), "s"),
        "window_changes": Word(_("Changes compared"), "1"),
        "allowed_bits": Word(_("Strength needed"), "bit"),
        "feature": Word(_("What is unlike the device")),
        "now": Word(_("Now"), ""),
        "block_s": Word(_("Judged over"), "s"),
        "frames": Word(_("Frames"), "1"),
        "first_seq": Word(_("First frame"), ""),
        "last_seq": Word(_("Last frame"), ""),
        "epoch": Word(_("Epoch")),
    }
)

DRAWN = frozenset({"profile", "series", "recent", "scores", "uses", "uses_by_hour", "series_s"})
"""What is drawn, or only says how."""
INSIDE = frozenset({"rule", "false_alarm_budget", "last_used", "copied_until", "shadows"})
"""What says something to those who tune detectors."""


def facts_of(evidence: Mapping[str, Any], page: Page) -> list[tuple[str, str]]:
    """Return what an evidence says, each fact with its word and its value as people read it."""
    unit = evidence.get("unit")
    found: list[tuple[str, str]] = []
    # The database keeps no order of keys: known ones come in that of the table.
    order = {name: number for number, name in enumerate(WORDS)}
    for name, value in sorted(evidence.items(), key=lambda each: (order.get(each[0], len(order)), each[0])):
        if name in DRAWN | INSIDE or (name == "unit" and "value" in evidence) or value is None or value == []:
            continue
        word = WORDS.get(name)
        label = one_line(name.replace("_", " "))[:60] if word is None else page.text(word.label)
        said = _said(value, "" if word is None else word.form, unit if isinstance(unit, str) else "", page)
        if said and len(found) < MOST_FACTS:
            found.append((label, said))
    return found


def odds(chance: float, page: Page) -> str:
    """Return a probability as people say it: one in so many."""
    if not 0 < chance <= 1:
        return page.text("never seen")
    if chance > SURELY_SMALL:
        many = format_decimal(round(1 / chance) if chance < 0.1 else round(1 / chance, 1), locale=page.language)
    else:
        many = f"10{str(round(-math.log10(chance))).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    one_in = page.text("one in")
    return f"{one_in} {many}"


def _said(value: object, form: str, unit: str, page: Page) -> str:
    if isinstance(value, bool):
        return page.text("yes") if value else page.text("no")
    if isinstance(value, int | float):
        return _number(float(value), form, unit, page) if is_number(value) else ""
    if isinstance(value, str):
        # A limit is a text in evidence where it may be infinite.
        return one_line(value)[:MOST_TEXT]
    if isinstance(value, list):
        said = [_item(each, form, unit, page) for each in value[:MOST_ITEMS]]
        return ", ".join([*filter(None, said), *(["…"] if len(value) > MOST_ITEMS else [])])
    if isinstance(value, Mapping):
        parts = [
            (one_line(str(key))[:40], _said(each, form, unit, page)) for key, each in [*value.items()][:MOST_ITEMS]
        ]
        return ", ".join(f"{key} {said}" for key, said in parts if said)
    return ""


def _item(value: object, form: str, unit: str, page: Page) -> str:
    """Return one of several values; of what a signal has to do with it, its name and share."""
    if isinstance(value, Mapping) and isinstance(value.get("signal"), str):
        return f"{one_line(value['signal'])[:40]} {_said(value.get('share'), 'share', '', page)}".strip()
    return "" if isinstance(value, list | Mapping) else _said(value, form, unit, page)


def _number(value: float, form: str, unit: str, page: Page) -> str:
    if form == "chance":
        return odds(value, page)
    if form == "share":
        return format_percent(value, "#,##0.#%" if abs(value) >= 0.001 else "0.####%", locale=page.language)
    if form == "s" and abs(value) >= 120:
        return span(round(value * 1e6))
    shown = format_decimal(
        float(f"{value:.4g}") if abs(value) < 1000 else round(value), "#,##0.####", locale=page.language
    )
    behind = form.replace("unit", one_line(unit)[:20]) if form != "1" else ""
    return f"{shown} {behind}".strip()
