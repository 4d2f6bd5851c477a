"""The agent as parts of a process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hubwatch_agents.agent import Agent
from hubwatch_agents.commands.control import Control
from hubwatch_agents.commands.server import Server
from hubwatch_agents.config.load import check
from hubwatch_agents.config.reload import Reload
from hubwatch_agents.devices import Configuration
from hubwatch_agents.settings import AgentSettings
from hubwatch_core.errors import ConfigError
from hubwatch_core.process import Context, Part


def parts(settings: AgentSettings, context: Context, where: str = "configuration") -> list[Part]:
    """Make the parts of an agent, to be started in this order and stopped in the reverse: drivers end first.

    Raises ConfigError when profiles and settings do not go together, Permanent when files cannot be used.
    """
    return checked_parts(check(settings, where), context)


def checked_parts(
    checked: Configuration,
    context: Context,
    *,
    path: Path | None = None,
    flags: Mapping[str, object] | None = None,
    last_good: Path | None = None,
    bad_start: ConfigError | None = None,
) -> list[Part]:
    """Make the parts from a checked configuration; with `path`, changes of that file are taken up while it runs.

    `bad_start` says why it is the last good configuration and not the file.
    """
    agent = Agent(checked, context)
    made = [Part("publisher", agent.publish), Part("heartbeat", agent.beat), Part("drivers", agent.drive)]
    control = Control(agent, context.registry)
    keep = agent.supervision.keep
    server = Server(agent, control, context.health)
    made.append(Part("commands", lambda stop: keep("commands", server.run, stop)))
    folder = checked.settings.identity.folder
    if folder is not None:
        from hubwatch_agents.identity.folder import IdentityFolder  # cryptography is needed only then
        from hubwatch_agents.identity.renewal import Renewal

        renewal = Renewal(IdentityFolder(folder), context.health)
        made.append(Part("identity", lambda stop: keep("renewal", renewal.run, stop)))
    if path is not None:
        reload = Reload(path, flags or {}, checked, agent, last_good, bad_start)
        made.append(Part("config", lambda stop: keep("reload", reload.run, stop)))
    return made
