"""Is this process able to do its work? Named checks, set where things happen, read by `/healthz`."""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_core.clock import now_us, to_datetime


@dataclass(frozen=True, slots=True)
class Check:
    """The state of one check: since when (µs) it has been so, and in words why."""

    ok: bool
    since: int
    detail: str


class Health:
    """The checks of one process; healthy when every one of them is."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def set(self, check: str, ok: bool, detail: str = "") -> None:
        """Record the state of a check; its `since` moves only when `ok` changes."""
        before = self._checks.get(check)
        since = before.since if before is not None and before.ok == ok else now_us()
        self._checks[check] = Check(ok, since, detail)

    @property
    def ok(self) -> bool:
        """True when no check has failed."""
        return all(check.ok for check in self._checks.values())

    def report(self) -> dict[str, object]:
        """Give all checks as `{"ok": bool, "checks": {name: {"ok", "since", "detail"}}}`."""
        return {
            "ok": self.ok,
            "checks": {
                name: {"ok": check.ok, "since": to_datetime(check.since).isoformat(), "detail": check.detail}
                for name, check in sorted(self._checks.items())
            },
        }
