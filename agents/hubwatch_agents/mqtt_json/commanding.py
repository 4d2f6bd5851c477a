"""Commands to MQTT devices: one publication, never retained, acknowledged by the broker and not by the device."""

from __future__ import annotations

import asyncio

from hubwatch_agents.commands.outcome import Outcome, Result
from hubwatch_agents.profiles.mqtt_schema import MqttCommand
from hubwatch_core.errors import HubwatchError, Permanent
from hubwatch_core.mqtt import Link

PUBLISH_S = 5.0
"""Longest wait for the broker to acknowledge; a person stands before it."""


class Speaker:
    """Publishes commands while there is a link."""

    def __init__(self) -> None:
        self.link: Link | None = None

    async def command(self, what: MqttCommand) -> Outcome:
        """Publish a command once."""
        if self.link is None:
            return Outcome(Result.FAILED, "not sent: there is no link to the device's broker")
        try:
            async with asyncio.timeout(PUBLISH_S):
                await self.link.publish(what.topic, what.payload.encode(), qos=1, retain=False)
        except TimeoutError:
            return _unknown(f"the broker has not acknowledged it within {PUBLISH_S:g} s")
        except Permanent as error:
            return Outcome(Result.FAILED, f"not sent: {error}")
        except HubwatchError as error:
            return _unknown(str(error))
        return Outcome(Result.DONE, "the broker has taken it; the device's own messages show whether it acts")


def _unknown(why: str) -> Outcome:
    return Outcome(Result.UNKNOWN, f"unknown whether it took effect: {why}")
