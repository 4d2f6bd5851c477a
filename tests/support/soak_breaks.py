"""What befalls links and agents in the soak, at random by seed; each mishap is noted with its beginning and end."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from support.proxy import Proxy, flip_byte

Breaking = Callable[[Proxy, random.Random], Awaitable[None]]

MBAP_BYTES = 8
"""Header of Modbus TCP with the function code behind it: what is wrong in it can be known, in the data it cannot."""


@dataclass
class Mishap:
    """One thing that went wrong, `path` names what it hit; seconds since 1970."""

    path: str
    what: str
    began: float
    ended: float = 0.0


async def refuse(proxy: Proxy, dice: random.Random) -> None:
    """The other end is dead."""
    await proxy.refuse()


async def cut(proxy: Proxy, dice: random.Random) -> None:
    """Pull the cable, in one of two ways."""
    proxy.cut(reset=dice.random() < 0.5)


async def stall(proxy: Proxy, dice: random.Random) -> None:
    """Connections stay, nothing passes."""
    proxy.stall()


async def half_close(proxy: Proxy, dice: random.Random) -> None:
    """One direction ends."""
    proxy.half_close(dice.choice(("up", "down")))


async def delay(proxy: Proxy, dice: random.Random) -> None:
    """Everything takes longer."""
    proxy.delay(dice.uniform(0.05, 0.4))


async def corrupt_anything(proxy: Proxy, dice: random.Random) -> None:
    """Invert one byte in 17, which a checksum can know."""
    proxy.corrupt("down", flip_byte(17))


async def corrupt_headers(proxy: Proxy, dice: random.Random) -> None:
    """Invert a byte in the head of every reply, where there is no checksum over the data."""
    place = dice.randrange(MBAP_BYTES)

    def change(chunk: bytes) -> bytes:
        return chunk[:place] + bytes(byte ^ 0xFF for byte in chunk[place : place + 1]) + chunk[place + 1 :]

    proxy.corrupt("down", change)


PLAIN: tuple[Breaking, ...] = (refuse, cut, stall, half_close, delay)
BY_LINK: dict[str, tuple[Breaking, ...]] = {
    "tcp": (*PLAIN, corrupt_headers),
    "rtu": (*PLAIN, corrupt_anything, corrupt_anything),
    "mqtt": PLAIN,
    "uplink": PLAIN,
}


async def break_for_ever(
    path: str, proxy: Proxy, breaks: Sequence[Breaking], dice: random.Random, noted: list[Mishap]
) -> None:
    """Break a link now and then; leaves it whole when cancelled."""
    try:
        while True:
            await asyncio.sleep(dice.uniform(2.0, 8.0))
            breaking = dice.choice(breaks)
            mishap = Mishap(path, breaking.__name__, time.time())
            noted.append(mishap)
            await breaking(proxy, dice)
            await asyncio.sleep(dice.choice((0.1, 1.0, 3.0)) * dice.uniform(0.5, 1.5))
            await proxy.heal()
            mishap.ended = time.time()
    finally:
        await proxy.heal()
        for mishap in noted:
            mishap.ended = mishap.ended or time.time()
