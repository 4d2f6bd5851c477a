"""Errors that nobody foresaw: counted, each kind logged once with its traceback, and the rest of the line goes on."""

from __future__ import annotations

from typing import Any

Place = tuple[str, type[BaseException], str, int]


class UnexpectedErrors:
    """What has gone wrong in the agent's own code while it read one connection."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._logged: set[Place] = set()
        self.count = 0

    def record(self, what: str, error: Exception) -> str:
        """Count an error of `what`, log it the first time, and return the reason for the readings it costs."""
        self.count += 1
        place = (what, type(error), *_raised_at(error))
        if place not in self._logged:
            self._logged.add(place)
            self._log.error("unexpected error, will be tried again", what=what, exc_info=error)
        return f"unexpected {type(error).__name__} in the agent: see its log"


def _raised_at(error: Exception) -> tuple[str, int]:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace is not None else ("", 0)
