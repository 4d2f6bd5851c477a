"""Is this process able to do its work? Named checks, set where things happen, read by `/healthz`.

A check that says only what was last heard stays well for ever when nothing is heard any more. So a check of something
that works again and again has a limit: it fails when its work was not done for so long, whatever was said last.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from hubwatch_core.clock import now_us, to_datetime

WORK_WITHIN_S = 25.0
"""How long ago the last work of a part may be, where its own pace allows it: a fault shows within half a minute."""


@dataclass(frozen=True, slots=True)
class Check:
    """The state of one check: since when (µs) it has been so, and in words why."""

    ok: bool
    since: int
    detail: str


@dataclass(slots=True)
class _Work:
    """When something was last done, and how long ago that may be; by the monotonic clock and, to show it, in µs."""

    within_s: float
    since: float
    last: int | None = None


class Health:
    """The checks of one process; healthy when every one of them is."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._work: dict[str, _Work] = {}

    def set(self, check: str, ok: bool, detail: str = "") -> None:
        """Record the state of a check; its `since` moves only when `ok` changes."""
        before = self._checks.get(check)
        since = before.since if before is not None and before.ok == ok else now_us()
        self._checks[check] = Check(ok, since, detail)

    def expect(self, check: str, within_s: float = WORK_WITHIN_S) -> None:
        """Let a check fail from now on when `did` was not called for it for so long."""
        known = self._work.get(check)
        if known is None:
            self._work[check] = _Work(within_s, time.monotonic())
        else:
            known.within_s = within_s

    def expect_no_more(self, check: str) -> None:
        """Take the limit of a check away: whoever did its work has ended in order."""
        self._work.pop(check, None)

    def did(self, check: str) -> None:
        """Record that the work of a check was done just now: the other side has truly answered."""
        work = self._work.setdefault(check, _Work(WORK_WITHIN_S, 0.0))
        work.since, work.last = time.monotonic(), now_us()

    @property
    def ok(self) -> bool:
        """True when no check has failed."""
        return all(check.ok for check in self.checks().values())

    def checks(self) -> dict[str, Check]:
        """Return every check as it stands now, by name."""
        now = time.monotonic()
        names = sorted(self._checks.keys() | self._work.keys())
        return {name: self._check(name, now) for name in names}

    def overdue(self) -> dict[str, float]:
        """Return the checks that fail for want of work alone, with how many seconds ago it was last done."""
        now = time.monotonic()
        return {name: now - work.since for name, work in sorted(self._work.items()) if self._is_overdue(name, now)}

    def _is_overdue(self, name: str, now: float) -> bool:
        check, work = self._checks.get(name), self._work.get(name)
        return work is not None and (check is None or check.ok) and now - work.since > work.within_s

    def _check(self, name: str, now: float) -> Check:
        check = self._checks.get(name) or Check(True, now_us(), "")
        work = self._work.get(name)
        if work is None or not self._is_overdue(name, now):
            return check
        overdue_s = now - work.since - work.within_s
        text = f"no work done for {now - work.since:.0f} s, allowed are {work.within_s:g} s"
        return Check(False, now_us() - int(overdue_s * 1e6), f"{text} (was: {check.detail})" if check.detail else text)

    def ages_s(self) -> dict[str, float]:
        """Return how many seconds ago the work of each check was last done, or was first waited for."""
        now = time.monotonic()
        return {name: now - work.since for name, work in sorted(self._work.items())}

    def report(self) -> dict[str, object]:
        """Return all checks as `{"ok": bool, "checks": {name: {"ok", "since", "detail"}}}`.

        A check with a limit has also `within_s`, and `last` and `last_s_ago`, null before its first work.
        """
        checks = self.checks()
        return {
            "ok": all(check.ok for check in checks.values()),
            "checks": {name: self._shown(name, check) for name, check in checks.items()},
        }

    def _shown(self, name: str, check: Check) -> dict[str, object]:
        shown: dict[str, object] = {
            "ok": check.ok,
            "since": to_datetime(check.since).isoformat(),
            "detail": check.detail,
        }
        work = self._work.get(name)
        if work is not None:
            done = work.last is not None
            shown["last"] = to_datetime(work.last).isoformat() if work.last is not None else None
            shown["last_s_ago"] = round(time.monotonic() - work.since, 1) if done else None
            shown["within_s"] = work.within_s
        return shown
