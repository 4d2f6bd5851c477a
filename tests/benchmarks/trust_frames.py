"""What signatures cost and what they keep out, for `bench_trust`.

- `signed_ingest_ratio`: readings stored a second of signed frames, over unsigned ones, both by a collector that lets a
  queue of the broker in as fast as it can; of 32 that share a signature, as an agent signs a backlog;
- `signed_alone_ratio`: the same where every frame has a signature of its own, which is how an agent sends live at a low
  rate: what a collector would make of more such agents than one machine has;
- `signed_ingest_low`, `signed_ingest_high`: the lowest and highest of the rounds whose median the ratio is: how far the
  machine lets it be known;
- `signed_cpu_us`, `unsigned_cpu_us`: the collector's own processor time a frame;
- `signed_cpu_ratio`: how the second is to the first, the median of the rounds;
- `forged_refused`, `replayed_refused`: shares of what was forged in each way there is, and of what was sent once more,
  that was refused and told, and of which nothing was stored.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.frame_publisher import HUB, Load
from benchmarks.ingest_rig import Rig, publish, rig, until
from benchmarks.result import Progress
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.config import MqttSection
from hubwatch_core.ids import new_ulid
from hubwatch_core.mqtt import MqttLink, MqttSession
from support.signed_agent import SignedAgent
from support.store_examples import frame

FRAMES = int(os.environ.get("HUBWATCH_BENCH_FRAMES", "8000"))
PER_FRAME = 50
RUNS = int(os.environ.get("HUBWATCH_BENCH_RUNS", "7"))
AGENT = "agent-1"
REQUIRE = 'signatures = "require"\n'
EACH = 50
"""Messages of each kind that are forged or sent once more."""


async def signed_ingest(progress: Progress) -> dict[str, float]:
    """Alternate unsigned, signed together and signed alone, so that all see the same machine.

    A round has one of each, from the first to the last and the next time back, so that what changes meanwhile favours
    none; what is compared is of one round, and the median of the rounds counts. The first round warms up and counts for
    nothing: partitions are made in it, and code is read.
    """
    agent = SignedAgent(HUB, AGENT)
    key = agent.key.private_bytes_raw().hex()
    loads = {"unsigned": ("", 1), "signed": (key, 32), "alone": (key, 1)}
    rates: dict[str, list[float]] = {name: [] for name in loads}
    cpu: dict[str, list[float]] = {name: [] for name in loads}
    with tempfile.TemporaryDirectory() as name:
        plain, signed = Path(name) / "plain", Path(name) / "signed"
        plain.mkdir()
        signed.mkdir()
        async with rig(plain) as off, rig(signed, REQUIRE) as required:
            agent.enrol(required.dsn)
            for number in range(RUNS + 1):
                for kind, (seed, together) in sorted(loads.items(), reverse=bool(number % 2)):
                    made = required if seed else off
                    load = Load(made.broker.host, made.broker.port, new_ulid(), FRAMES, PER_FRAME)
                    rate, used = await _drained(made, replace(load, key=seed, together=together))
                    if number:
                        rates[kind].append(rate)
                        cpu[kind].append(used)
                    what = f"run {number} of {RUNS}" if number else "warming up"
                    progress(f"{what}, {kind}: {rate:,.0f} readings/s, {used:.0f} µs a frame")

    def ratios(of: dict[str, list[float]], kind: str) -> list[float]:
        return [signed / unsigned for signed, unsigned in zip(of[kind], of["unsigned"], strict=True)]

    together_ratios = ratios(rates, "signed")
    return {
        "signed_ingest_ratio": statistics.median(together_ratios),
        "signed_ingest_low": min(together_ratios),
        "signed_ingest_high": max(together_ratios),
        "signed_alone_ratio": statistics.median(ratios(rates, "alone")),
        "signed_cpu_us": statistics.median(cpu["signed"]),
        "unsigned_cpu_us": statistics.median(cpu["unsigned"]),
        "signed_cpu_ratio": 1 / statistics.median(ratios(cpu, "signed")),
    }


async def refused(progress: Progress) -> dict[str, float]:
    """Send what is forged in every way there is, and what was sent before, among what is good."""
    agent, other, stranger = SignedAgent(HUB, AGENT), SignedAgent(HUB, "agent-2"), SignedAgent(HUB, AGENT)
    with tempfile.TemporaryDirectory() as name:
        async with rig(Path(name), REQUIRE) as made:
            agent.enrol(made.dsn)
            other.enrol(made.dsn)
            async with _link(made) as link:
                birth = wire.Birth(
                    v=1, hub=HUB, agent=AGENT, epoch=new_ulid(), sent=now_us(), software="", config="", inventory=[]
                )
                old = [_frame(birth.epoch, seq, now_us() - 600_000_000) for seq in range(1, EACH + 1)]
                await agent.send(link, birth, *old, _frame(birth.epoch, EACH + 1, now_us()))
                await until(lambda: _count(made, "SELECT count(*) FROM frames") == EACH + 1, 60)
                forged = await _forge(link, agent, other, stranger, birth.epoch)
                await agent.send(link, *old)
                await agent.send(link, _frame(birth.epoch, EACH + 2, now_us()))
                count = "SELECT coalesce(sum(count), 0) FROM intake_finding WHERE kind = %s"
                await until(lambda: made.ask(count, "forged") >= forged, 60)
                await until(lambda: made.ask(count, "replayed") >= EACH, 60)
            stored = _count(made, "SELECT count(*) FROM frames") - (EACH + 2)
            progress(f"{forged} forged, {EACH} replayed, {stored} of them stored")
            told = {kind: float(made.ask(count, kind)) for kind in ("forged", "replayed")}
    return {
        "forged_refused": 0.0 if stored else told["forged"] / forged,
        "replayed_refused": 0.0 if stored else told["replayed"] / EACH,
    }


async def _forge(link: MqttLink, agent: SignedAgent, other: SignedAgent, stranger: SignedAgent, epoch: str) -> int:
    """Send `EACH` of every kind; return how many that were."""
    frames = [_frame(epoch, 1000 + seq, now_us()) for seq in range(EACH)]
    proofs = agent.proofs(frames)
    other.agent = AGENT
    topic = agent.topic("frame")
    for each, proof in zip(frames, proofs, strict=True):
        payload = wire.encode(each)
        await link.publish(topic, payload)
        await link.publish(topic, payload.replace(b'"seq":1', b'"seq":2'), proof=proof)
        await link.publish(topic, payload.replace(b'"x":[', b'"x":[1'), proof=proof)
        await link.publish(topic, payload, proof=proof[:60] + ("A" if proof[60] != "A" else "B") + proof[61:])
        await stranger.send(link, each)
        await other.send(link, each)
    return 6 * EACH


def _frame(epoch: str, seq: int, sent: int) -> wire.Frame:
    return frame(seq, hub=HUB, agent=AGENT, epoch=epoch, sent=sent)


def _count(made: Rig, query: str) -> int:
    return int(made.ask(query))


async def _drained(made: Rig, load: Load) -> tuple[float, float]:
    """Let frames gather at the broker, then the collector go: readings a second, and its µs a frame."""
    with made.paused():
        await publish(made.broker, load)
    usage = await made.measured(load.epoch, load.frames)
    return load.frames * load.per_frame / usage.wall_s, usage.cpu_s / load.frames * 1e6


@asynccontextmanager
async def _link(made: Rig) -> AsyncIterator[MqttLink]:
    linked: asyncio.Future[MqttLink] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def use(link: MqttLink) -> None:
        linked.set_result(link)
        await done.wait()

    settings = MqttSection(host=made.broker.host, port=made.broker.port)
    task = asyncio.create_task(MqttSession(settings, client_id="hostile").run(use))
    try:
        yield await linked
    finally:
        done.set()
        await task


async def measured(progress: Progress, what: Sequence[str] = ("ingest", "refused")) -> dict[str, float]:
    """Return all figures."""
    figures: dict[str, float] = {}
    if "ingest" in what:
        figures |= await signed_ingest(progress)
    if "refused" in what:
        figures |= await refused(progress)
    return figures
