"""The process of the embedded broker: prints its port once it listens, runs until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import warnings
from functools import partial

HOST = "127.0.0.1"


async def serve() -> None:
    """Listen on a free port and serve until a signal comes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # amqtt's imports warn about its own deprecated parts
        from amqtt.broker import Broker
        from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broker = Broker(
        BrokerConfig(
            # An external listener: the socket is ours, so that port 0 tells us which port it got.
            listeners={"default": ListenerConfig(type=ListenerType.EXTERNAL)},
            plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        )
    )
    await broker.start()
    server = await asyncio.start_server(partial(broker.stream_connected, listener_name="default"), HOST, 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve())
