"""The agent as parts of a process."""

from __future__ import annotations

from hubwatch_agents.agent import Agent
from hubwatch_agents.config import Settings
from hubwatch_agents.devices import resolve
from hubwatch_core.service import Context, Part


def parts(settings: Settings, context: Context, where: str = "configuration") -> list[Part]:
    """Make the parts of an agent, to be started in this order and stopped in the reverse: drivers end first.

    Raises ConfigError when profiles and settings do not go together, Permanent when files cannot be used.
    """
    agent = Agent(settings, resolve(settings, where), context)
    return [Part("publisher", agent.publish), Part("heartbeat", agent.beat), Part("drivers", agent.drive)]
