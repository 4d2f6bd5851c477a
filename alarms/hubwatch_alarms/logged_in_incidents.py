"""What people do with incidents and handovers over the hub's API, as whoever is logged in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from hubwatch_core.http import logged_in as acting
from hubwatch_core.http.logged_in import LoggedIn

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class IncidentsOverApi:
    """Incidents and handovers, as somebody who is logged in handles them. All answers are JSON values."""

    person: LoggedIn

    def incidents(self, hub: str | None, *, closed: bool = False) -> list[Answer]:
        """Return the incidents that one sees."""
        query = {"closed": str(closed).lower()} | ({} if hub is None else {"hub": hub})
        answer: list[Answer] = self.person.ask("GET", f"/incidents?{urlencode(query)}")["incidents"]
        return answer

    def incident(self, number: int) -> Answer:
        """Return one incident with its alarms."""
        answer: Answer = self.person.ask("GET", f"/incidents/{number}")
        return answer

    def timeline(self, number: int, after: str | None, most: int) -> Answer:
        """Return a page of what happened in an incident."""
        query = {"most": str(most)} | ({} if after is None else {"after": after})
        answer: Answer = self.person.ask("GET", f"/incidents/{number}/timeline?{urlencode(query)}")
        return answer

    def act(self, number: int, act: str, body: Mapping[str, object]) -> Answer:
        """Do something with an incident: acknowledge, comment, assign, merge, split or close."""
        answer: Answer = self.person.ask("POST", f"/incidents/{number}/{act}", dict(body))
        return answer

    def handovers(self, hub: str | None, most: int) -> list[Answer]:
        """Return the newest handovers that one sees."""
        query = {"most": str(most)} | ({} if hub is None else {"hub": hub})
        answer: list[Answer] = self.person.ask("GET", f"/handovers?{urlencode(query)}")["handovers"]
        return answer

    def handover(self, number: int) -> Answer:
        """Return one handover whole."""
        answer: Answer = self.person.ask("GET", f"/handovers/{number}")
        return answer

    def draft(self, hub: str) -> Answer:
        """Draft what is handed over, or renew what was drafted."""
        answer: Answer = self.person.ask("POST", "/handovers", {"hub": hub})
        return answer

    def act_on_handover(self, number: int, act: str, body: Mapping[str, object]) -> Answer:
        """Do something with a handover: notes, sign or take."""
        answer: Answer = self.person.ask("POST", f"/handovers/{number}/{act}", dict(body))
        return answer


def logged_in(by: str | None) -> IncidentsOverApi | None:
    """Return incidents as whoever is logged in handles them, None where somebody says with --by who they are.

    Raises BadCall for neither.
    """
    person = acting.logged_in(by)
    return None if person is None else IncidentsOverApi(person)
