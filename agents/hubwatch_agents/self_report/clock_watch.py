"""What follows from a doubted clock: marks on readings, health, and an event when the clock was set."""

from __future__ import annotations

from collections.abc import Callable

from hubwatch_agents.readings import SensorEvent
from hubwatch_agents.self_report.clock import ClockCheck
from hubwatch_agents.settings import ClockSection
from hubwatch_core.clock import now_us
from hubwatch_core.condition import Condition
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger

CLOCK_STEPPED = "agent.clock_stepped"
"""The clock was set: what was read before has times of the old clock, which nobody changes afterwards."""


class ClockWatch:
    """Whether the clock of this machine may be believed, from the first reading on."""

    def __init__(self, section: ClockSection, health: Health, doubted: Callable[[str | None], None]) -> None:
        """`doubted` is called with why the clock is not believed, None while it is."""
        self._doubted = doubted
        self._condition = Condition(
            "clock", health, get_logger("clock"),
            lost="clock not trusted, every reading is marked uncertain", back="clock trusted again",
        )  # fmt: skip
        self.check = ClockCheck(section)
        self._set(self.check.at_once())

    def configure(self, section: ClockSection) -> None:
        """Check by other settings from now on."""
        self.check = ClockCheck(section)
        self._set(self.check.at_once())

    async def ask(self) -> None:
        """Check the clock, also against the time server where there is one."""
        self._set(await self.check.check())

    def stepped(self, agent: str) -> SensorEvent | None:
        """Return the event of a clock that was set since the last call, None when it was not."""
        step_ms = self.check.step_ms()
        if step_ms is None:
            return None
        self._set(self.check.at_once())
        return SensorEvent(agent, now_us(), CLOCK_STEPPED, attrs={"by_ms": round(step_ms)})

    def _set(self, doubt: str | None) -> None:
        self._doubted(doubt)
        if doubt is None:
            self._condition.back("nothing shows that it is wrong")
        else:
            self._condition.lost(doubt)
