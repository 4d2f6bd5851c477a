"""Takes frames from a broker to show them: nothing is acknowledged for others, and nothing is kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pydantic import ConfigDict

from hubwatch_core.config import MqttSection, Section
from hubwatch_core.config.load import load
from hubwatch_core.ids import new_ulid
from hubwatch_core.mqtt import MqttLink, MqttSession

AT_ONCE = 100
WAIT_S = 1.0


class _OnlyBroker(Section):
    # The file may be any component's: its other sections are checked by that component.
    model_config = ConfigDict(extra="ignore")

    mqtt: MqttSection = MqttSection()


async def listen(config: Path | None, topic: str, most: int, show: Callable[[bytes, str], object]) -> None:
    """Give `show` the payload and the topic of what comes, until it was so many messages or somebody interrupts.

    Raises Permanent when the broker refuses.
    """
    settings = load(_OnlyBroker, config, check_files=True).mqtt
    left = most

    async def use(link: MqttLink) -> None:
        nonlocal left
        await link.subscribe(topic)
        while left > 0:
            for message in (await link.receive(AT_ONCE, WAIT_S))[:left]:
                show(message.payload, message.topic)
                left -= 1

    name = f"hubwatch-wire-{os.getpid()}-{new_ulid()[-6:].lower()}"
    await MqttSession(settings, client_id=name, name="wire", refusal_ends=True).run(use)
