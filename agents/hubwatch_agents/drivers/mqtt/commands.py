"""Commands to MQTT devices: one publication, never retained, acknowledged by the broker and not by the device."""

from __future__ import annotations

import asyncio

from hubwatch_agents.commands.protocol import CommandOutcome, CommandResult
from hubwatch_agents.profiles.mqtt_schema import MqttCommand
from hubwatch_core.errors import HubwatchError
from hubwatch_core.mqtt import MqttLink, MqttRefused

PUBLISH_S = 5.0
"""Longest wait for the broker to acknowledge; a person stands before it."""


class CommandPublisher:
    """Publishes commands while there is a link."""

    def __init__(self) -> None:
        self.link: MqttLink | None = None

    async def command(self, what: MqttCommand) -> CommandOutcome:
        """Publish a command once."""
        if self.link is None:
            return CommandOutcome(CommandResult.FAILED, "not sent: there is no link to the device's broker")
        try:
            async with asyncio.timeout(PUBLISH_S):
                await self.link.publish(what.topic, what.payload.encode(), qos=1, retain=False)
        except TimeoutError:
            return _unknown(f"the broker has not acknowledged it within {PUBLISH_S:g} s")
        except MqttRefused as error:
            return CommandOutcome(CommandResult.FAILED, f"not sent: {error}")
        except HubwatchError as error:
            return _unknown(str(error))
        return CommandOutcome(
            CommandResult.DONE, "the broker has taken it; the device's own messages show whether it acts"
        )


def _unknown(why: str) -> CommandOutcome:
    return CommandOutcome(CommandResult.UNKNOWN, f"unknown whether it took effect: {why}")
