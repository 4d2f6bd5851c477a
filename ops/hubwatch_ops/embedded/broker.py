"""The embedded MQTT broker: amqtt in a process of its own.

MQTT 3.1.1 without shared subscriptions, and it does not send unacknowledged messages again: for the demo, never where
durability counts. It has its own process so that its work is not counted as ours.
"""

from __future__ import annotations

import contextlib
import selectors
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from hubwatch_core.errors import Permanent
from hubwatch_ops.embedded.kept import Kept, kept
from hubwatch_ops.embedded.threaded import threaded
from hubwatch_ops.embedded.wheel import require_broker

READY_WITHIN_S = 20.0


def embedded_broker() -> AbstractAsyncContextManager[tuple[str, int]]:
    """Run a broker on a free loopback port until the block ends; gives host and port.

    Raises Permanent when the extra is not installed or the broker does not start.
    """
    return threaded(running_broker())


@contextlib.contextmanager
def running_broker() -> Iterator[tuple[str, int]]:
    """Do the same for code that may block."""
    require_broker()
    with tempfile.TemporaryDirectory(prefix="hubwatch-broker-") as name:
        folder = Path(name)
        command = [sys.executable, "-m", "hubwatch_ops.embedded.broker_process"]
        with kept(command, log=folder / "log", remove=folder) as server:
            yield "127.0.0.1", _port(server)


def _port(server: Kept) -> int:
    with selectors.DefaultSelector() as ready:  # select.select fails where more than 1 024 files are open
        ready.register(server.output, selectors.EVENT_READ)
        line = server.output.readline() if ready.select(READY_WITHIN_S) else b""
    if not line.strip().isdigit():
        raise Permanent(f"the embedded broker did not start: {server.last_words()}")
    return int(line)
