"""A process made of parts that speak on standard output, for tests of the service runner.

Usage: python child_service.py CASE   (the cases are the functions below; each gives the parts of the process)
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence

from hubwatch_core.config import LogSection, TelemetrySection
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.process import Context, Part, serve

SOON_S = 0.1


def say(line: str) -> None:
    """Write a line that the test reads at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def orderly(name: str) -> Part:
    """Return a part that finishes its work when it is asked to stop."""

    async def run(stop: asyncio.Event) -> None:
        say(f"{name} up")
        await stop.wait()
        say(f"{name} stopping")
        await asyncio.sleep(0.02)
        say(f"{name} stopped")

    return Part(name, run)


def between(what: Callable[[asyncio.Event], Awaitable[None]]) -> Sequence[Part]:
    """Return three parts, the middle one doing what the case is about."""
    return [orderly("first"), Part("middle", what), orderly("last")]


def fine(_: Context) -> Sequence[Part]:
    return [orderly("first"), orderly("middle"), orderly("last")]


def fails(_: Context) -> Sequence[Part]:
    async def run(_: asyncio.Event) -> None:
        await asyncio.sleep(SOON_S)
        raise Permanent("the disk is full")

    return between(run)


def fails_twice(_: Context) -> Sequence[Part]:
    async def run(_: asyncio.Event) -> None:
        await asyncio.sleep(SOON_S)
        raise Permanent("the disk is full")

    async def bug(_: asyncio.Event) -> None:
        await asyncio.sleep(SOON_S)
        raise ZeroDivisionError

    return [*between(run), Part("bug", bug)]


def fails_while_stopping(_: Context) -> Sequence[Part]:
    async def run(stop: asyncio.Event) -> None:
        await stop.wait()
        raise Transient("the last batch was not written")

    return between(run)


def has_a_bug(_: Context) -> Sequence[Part]:
    async def run(_: asyncio.Event) -> None:
        await asyncio.sleep(SOON_S)
        raise ZeroDivisionError

    return between(run)


def ends_unasked(_: Context) -> Sequence[Part]:
    async def run(_: asyncio.Event) -> None:
        await asyncio.sleep(SOON_S)

    return between(run)


def is_cancelled_from_within(_: Context) -> Sequence[Part]:
    async def run(_: asyncio.Event) -> None:
        await asyncio.sleep(SOON_S)
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone

    return between(run)


def does_not_finish(_: Context) -> Sequence[Part]:
    async def run(_: asyncio.Event) -> None:
        try:
            await asyncio.sleep(600)
        finally:
            say("middle cancelled")

    return between(run)


def cannot_be_made(_: Context) -> Sequence[Part]:
    raise Transient("the database is away")


def blocks_the_loop(_: Context) -> Sequence[Part]:
    async def run(stop: asyncio.Event) -> None:
        await asyncio.sleep(SOON_S)
        say("blocked")
        sys.stdin.readline()  # blocking the loop is the case; the test says how long
        say("free")
        await stop.wait()

    return [Part("blocker", run)]


CASES = {
    case.__name__: case
    for case in (
        fine, fails, fails_twice, fails_while_stopping, has_a_bug, ends_unasked, is_cancelled_from_within,
        does_not_finish, cannot_be_made, blocks_the_loop,
    )
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(
        serve(
            "test",
            CASES[sys.argv[1]],
            telemetry=TelemetrySection(port=int(sys.argv[2]) if len(sys.argv) > 2 else None),
            log=LogSection(format="json"),
            stop_timeout_s=1.0,
        )
    )
