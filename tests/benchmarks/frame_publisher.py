"""A process that publishes frames, for benchmarks: `python -m benchmarks.frame_publisher JSON`.

Publishes `frames` frames of `per_frame` readings, spread over `channels` channels in turn, from `agents` agents;
`rate` frames a second, or as fast as the broker takes them when it is 0. Frames are encoded as they are sent.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.packed_frame import encode_packed
from hubwatch_core.packing import packed
from hubwatch_core.signing import MessageSigner, Signed

HUB = "bench"
TOPIC = f"hubwatch/1/{HUB}/agent-1/frame"
WINDOW = 500


@dataclass(frozen=True)
class Load:
    """What to publish and where to."""

    host: str
    port: int
    epoch: str
    frames: int
    per_frame: int = 50
    channels: int = 100
    rate: float = 0.0
    first_seq: int = 1
    series: int = 1
    """Series of a frame, which were read at the same moments, as an agent reads a device: readings by series."""
    packed: bool = False
    """Version 2 of the wire format instead of version 1."""
    key: str = ""
    """Private key to sign with, in hexadecimal; unsigned without."""
    together: int = 32
    """Frames that share a signature: as many as an agent signs of a backlog."""


def frames(load: Load) -> Iterator[wire.Frame]:
    """Return the frames; each is sent as of now, its readings a millisecond apart before that."""
    for seq in range(load.first_seq, load.first_seq + load.frames):
        now = now_us()
        each = load.per_frame // load.series
        series = [_series(load, seq * load.series + i, now - each * 1000, each) for i in range(load.series)]
        yield wire.Frame(v=1, hub=HUB, agent="agent-1", epoch=load.epoch, seq=seq, sent=now, series=series)


def _series(load: Load, number: int, t0: int, count: int) -> wire.Series:
    channel = number % load.channels
    offsets = [i * 1000 for i in range(count)]
    values: list[float | None] = [400.25 + (number + i) % 17 for i in range(count)]
    return wire.Series(sensor=f"s{channel // 100}", channel=f"c{channel % 100}", t0=t0, dt=offsets, x=values)


async def publish(load: Load) -> None:
    """Publish everything and wait until the broker has it."""

    async def use(link: MqttLink) -> None:
        window = asyncio.Semaphore(WINDOW)
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number, (payload, proof) in enumerate(_payloads(load)):
                if load.rate:
                    await asyncio.sleep(max(0.0, began + number / load.rate - time.monotonic()))
                await window.acquire()
                tasks.create_task(_one(link, payload, proof, window))

    await MqttSession(MqttSection(host=load.host, port=load.port), client_id=f"bench-{load.epoch}").run(use)


def encoded(frame: wire.Frame, load: Load) -> bytes:
    """Return a frame in the version of a load."""
    return encode_packed(packed(frame)) if load.packed else wire.encode(frame)


def _payloads(load: Load) -> Iterator[tuple[bytes, str | None]]:
    """Return what is published: the frames, signed where there is a key."""
    made = ((frame, encoded(frame, load)) for frame in frames(load))
    if not load.key:
        yield from ((payload, None) for _, payload in made)
        return
    signer = MessageSigner(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(load.key)))
    while part := list(islice(made, load.together)):
        proofs = signer.sign([Signed(TOPIC, frame.epoch, frame.seq, payload) for frame, payload in part])
        yield from zip((payload for _, payload in part), proofs, strict=True)


async def _one(link: MqttLink, payload: bytes, proof: str | None, window: asyncio.Semaphore) -> None:
    try:
        await link.publish(TOPIC, payload, proof=proof)
    finally:
        window.release()


if __name__ == "__main__":
    asyncio.run(publish(msgspec.json.decode(sys.argv[1], type=Load)))
