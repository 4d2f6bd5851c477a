"""One thing of ours in a Grafana: what is there, what we would have there, and whether a person changed it."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]
_NAMED = ("title", "uid", "refId", "name")
"""By these, in this order, the parts of a list are told apart."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """One board, data source, contact point or group of alert rules."""

    what: str
    there: Values | None
    """What Grafana has, None for nothing; without what Grafana adds by itself."""
    wanted: Values
    send: Callable[[bool], str]
    """Puts it there and returns where it is shown; True overwrites what came in between."""
    known: bool = False
    """Whether Grafana says that this very content was sent, however it writes it down."""
    by_hand: str = ""
    """Who changed it since it was sent, in words; empty for nobody."""
    fixed: str = ""
    """Why Grafana would not take it, in words."""

    @property
    def same(self) -> bool:
        """Return whether there is nothing to send."""
        return self.known or self.there == self.wanted

    def refusal(self) -> str:
        """Return why it must not be overwritten; empty when it may be."""
        if self.same or self.fixed or not self.by_hand:
            return ""
        return f"{self.what} was changed in Grafana ({self.by_hand}): {self.changes()}"

    def changes(self) -> str:
        """Return in words what sending would change."""
        return "new" if self.there is None else ", ".join(_changes(self.there, self.wanted)) or "nothing that is shown"

    def difference(self) -> str:
        """Return what sending would change, as a unified diff; empty for nothing."""
        if self.same:
            return ""
        there = [] if self.there is None else _text(self.there)
        names = (f"{self.what} in Grafana", f"{self.what} of hubwatch")
        return "\n".join(difflib.unified_diff(there, _text(self.wanted), *names, lineterm="", n=2))


def digest(values: Values) -> str:
    """Return by what a content is known again."""
    return hashlib.sha256("\n".join(_text(values)).encode()).hexdigest()[:16]


def _text(values: Values) -> list[str]:
    return json.dumps(values, sort_keys=True, indent=2, ensure_ascii=False).splitlines()


def _changes(there: Values, wanted: Values) -> list[str]:
    changed = []
    for key in sorted({*there, *wanted}):
        old, new = there.get(key), wanted.get(key)
        if old == new:
            continue
        parts = _parts(old), _parts(new)
        names = sorted({*parts[0], *parts[1]}) if parts[0] or parts[1] else []
        which = [name for name in names if parts[0].get(name) != parts[1].get(name)]
        changed.append(f"{key} {', '.join(repr(name) for name in which)}" if which else key)
    return changed


def _parts(value: Any) -> dict[str, Any]:
    """Return the named parts of a list; what has no name counts as a whole."""
    parts = value if isinstance(value, list) else []
    named = {}
    for part in parts:
        name = next((part[key] for key in _NAMED if part.get(key)), None) if isinstance(part, dict) else None
        if name is None:
            return {}
        named[str(name)] = part
    return named
