"""Who is on call, in words and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hubwatch_alarms.facts import iso
from hubwatch_alarms.oncall.rota import OnCall, local_us, zone_text
from hubwatch_alarms.oncall.settings import RotaSection
from hubwatch_core.clock import now_us, to_us
from hubwatch_core.errors import BadCall
from hubwatch_core.plain_text import quoted


def parse_moment(text: str | None, rota: RotaSection) -> int:
    """Read a moment, on the clock of a rota where it names no zone; now where there is none. Raises BadCall."""
    if text is None:
        return now_us()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadCall(f"--at {quoted(text)} is no moment: write it as in 2026-12-24T08:00, or with Z for UTC") from None
    if moment.tzinfo is None:
        return local_us(moment, ZoneInfo(rota.time_zone))
    return to_us(moment.astimezone(UTC))


def line(rota: RotaSection, t_us: int) -> str:
    """Return who is on call, until when, and who comes then."""
    zone, found = ZoneInfo(rota.time_zone), rota.rota.on_call(t_us)
    if found is None:
        return f"{rota.name}: nobody at {zone_text(t_us, zone)}"
    if found.until is None:
        return f"{rota.name}: {found.person}, at all times"
    then = rota.rota.who(found.until)
    return f"{rota.name}: {found.person} until {zone_text(found.until, zone)}, then {then or 'nobody'}"


def facts(rotas: Sequence[RotaSection], at: Sequence[int]) -> list[dict[str, object]]:
    """Return the same as JSON values, `at` being a moment for each rota."""
    return [_facts(rota, t_us, rota.rota.on_call(t_us)) for rota, t_us in zip(rotas, at, strict=True)]


def _facts(rota: RotaSection, t_us: int, found: OnCall | None) -> dict[str, object]:
    return {
        "rota": rota.name,
        "time_zone": rota.time_zone,
        "at": iso(t_us),
        "person": None if found is None else found.person,
        "until": None if found is None else iso(found.until),
        "next": None if found is None or found.until is None else rota.rota.who(found.until),
    }
