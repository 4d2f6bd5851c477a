"""What people do with alarms over the hub's API, as whoever is logged in; the database's password is not needed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from hubwatch_alarms.drilling import DrillWish
from hubwatch_alarms.suppressing import Wish
from hubwatch_core.alarm import Adjudication
from hubwatch_core.errors import BadCall
from hubwatch_core.http import logged_in as acting
from hubwatch_core.http.logged_in import LoggedIn
from hubwatch_core.plain_text import one_line

MOST_LISTED = 1000
"""As many as one answer of the API holds."""


@dataclass(frozen=True, slots=True)
class AlarmsOverApi:
    """Alarms, as somebody who is logged in handles them. Each act returns a line that says what came of it."""

    person: LoggedIn

    def acknowledge(self, alarm: int, note: str | None) -> str:
        """Take an alarm."""
        return self._do(alarm, "acknowledge", {"note": note}, nothing="was already yours")

    def shelve(self, alarm: int, duration_s: float, note: str) -> str:
        """Set an alarm aside for a time, or ask a second person whether to."""
        return self._do(alarm, "shelve", {"duration_s": duration_s, "note": note})

    def unshelve(self, alarm: int, note: str | None) -> str:
        """Take an alarm off the shelf."""
        return self._do(alarm, "unshelve", {"note": note})

    def close(self, alarm: int, reason: str) -> str:
        """End an alarm."""
        return self._do(alarm, "close", {"reason": reason})

    def adjudicate(self, alarm: int, verdict: Adjudication, note: str | None) -> str:
        """Say what an alarm was."""
        answer = self._ask(alarm, "adjudicate", {"verdict": str(verdict), "note": note})
        return f"alarm {alarm} was {verdict}, says {one_line(str(answer['by']))}"

    def suppress(self, wish: Wish) -> str:
        """Say what is expected, or ask a second person whether it is."""
        body = wish.facts() | {"hub": wish.hub, "note": wish.reason}
        answer: dict[str, object] = self.person.ask("POST", "/suppressions", body)
        waiting = acting.waits(answer)
        if waiting is not None:
            return f"it {waiting}"
        return f"suppression {answer['suppression']}, until {one_line(str(answer['until']))}"

    def lift(self, number: int) -> None:
        """End what is expected before its time."""
        self.person.ask("POST", f"/suppressions/{number}/lift", {})

    def suppressions(self, hub: str | None) -> list[dict[str, object]]:
        """Return all that nobody is told of, as JSON values."""
        return self.person.every(f"/suppressions?{_of_hub(hub)}", "suppressions")

    def drill(self, wish: DrillWish) -> dict[str, Any]:
        """Begin an exercise and return it as JSON values."""
        answer: dict[str, Any] = self.person.ask("POST", "/drills", asdict(wish))
        return answer

    def end_drill(self, number: int) -> None:
        """End an exercise before its time."""
        self.person.ask("POST", f"/drills/{number}/end", {})

    def drill_report(self, number: int) -> dict[str, Any]:
        """Return how an exercise went, as JSON values."""
        answer: dict[str, Any] = self.person.ask("GET", f"/drills/{number}")
        return answer

    def drill_scenarios(self) -> dict[str, dict[str, Any]]:
        """Return what there is to try, by name, as JSON values."""
        answer: dict[str, dict[str, Any]] = self.person.ask("GET", "/drills/scenarios")
        return answer

    def drills(self, hub: str | None) -> list[dict[str, Any]]:
        """Return the exercises there were, as JSON values."""
        answer: list[dict[str, Any]] = self.person.ask("GET", f"/drills?{_of_hub(hub)}")["drills"]
        return answer

    def listed(self, hub: str | None, *, closed: bool, most: int) -> dict[str, Any]:
        """Return the alarms that one sees, as JSON values, and how many more there are."""
        answer: dict[str, Any] = self.person.ask("GET", alarms_query(hub, closed=closed, most=most))
        return answer

    def whole(self, alarm: int) -> dict[str, Any]:
        """Return everything about one alarm, as JSON values."""
        answer: dict[str, Any] = self.person.ask("GET", f"/alarms/{alarm}")
        return answer

    def _do(self, alarm: int, act: str, body: dict[str, object], nothing: str = "did not change") -> str:
        answer = self._ask(alarm, act, body)
        waiting = acting.waits(answer)
        if waiting is not None:
            return f"alarm {alarm} {waiting}"
        if not answer["changed"]:
            return f"alarm {alarm} {nothing}"
        holder = answer["acknowledged_by"]
        with_whom = f", with {one_line(str(holder))}" if holder else ""
        return f"alarm {alarm} is {one_line(str(answer['state']))}{with_whom}"

    def _ask(self, alarm: int, act: str, body: dict[str, object]) -> dict[str, object]:
        answer: dict[str, object] = self.person.ask("POST", f"/alarms/{alarm}/{act}", body)
        return answer


def _of_hub(hub: str | None) -> str:
    return "" if hub is None else urlencode({"hub": hub})


def alarms_query(hub: str | None, *, closed: bool, most: int) -> str:
    """Return the path under which the API lists alarms."""
    query = {"closed": str(closed).lower(), "most": min(most, MOST_LISTED)} | ({} if hub is None else {"hub": hub})
    return f"/alarms?{urlencode(query)}"


def logged_in(by: str | None, agreed_by: str | None = None) -> AlarmsOverApi | None:
    """Return alarms as whoever is logged in handles them, None where somebody says with --by who they are.

    Raises BadCall for neither, and for a second person who only is named.
    """
    person = acting.logged_in(by)
    if person is not None and agreed_by is not None:
        raise BadCall(
            "--agreed-by is for a hub without a directory of users: leave it out, "
            "then the second person agrees with `hubwatch approvals approve`"
        )
    return None if person is None else AlarmsOverApi(person)
