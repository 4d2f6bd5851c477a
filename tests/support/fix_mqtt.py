"""Fixtures: brokers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_ops.embedded import running_broker
from support import services
from support.kept_link import kept, reaching, unique
from support.own_mosquitto import OwnMosquitto
from support.proxy import Proxy

Address = tuple[str, int]
MakeMosquitto = Callable[..., OwnMosquitto]


@pytest.fixture
def mosquitto() -> Address:
    """Host and port of a real Mosquitto that all tests share: use topics and client ids of your own."""
    return services.mosquitto_address()


@pytest.fixture(scope="session")
def amqtt_address() -> Iterator[Address]:
    """Host and port of the embedded broker (MQTT 3.1.1, no shared subscriptions, never for durability)."""
    with running_broker() as address:
        yield address


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Address:
    """Host and port of Mosquitto, or of the embedded broker where there is none: for what MQTT 3.1.1 can do."""
    try:
        return services.mosquitto_address()
    except pytest.skip.Exception:
        embedded: Address = request.getfixturevalue("amqtt_address")
        return embedded


@pytest.fixture
def make_mosquitto(tmp_path: Path) -> Iterator[MakeMosquitto]:
    """Make private brokers, each started; extra configuration lines replace the one that lets everybody in."""
    made: list[OwnMosquitto] = []

    def make(extra: Sequence[str] = ("allow_anonymous true",), *, whole: str | None = None) -> OwnMosquitto:
        own = OwnMosquitto(tmp_path / f"mosquitto-{len(made)}", extra, whole=whole)
        made.append(own)
        own.start()
        return own

    yield make
    for own in made:
        own.stop()


@pytest.fixture
def own_mosquitto(make_mosquitto: MakeMosquitto) -> OwnMosquitto:
    """A private Mosquitto, started, which the test may `kill()` and `start()` again with what it had stored."""
    return make_mosquitto()


@pytest.fixture
async def proxy(mosquitto: Address) -> AsyncIterator[Proxy]:
    """A cable to the shared Mosquitto that can be cut, stalled and corrupted."""
    async with Proxy(*mosquitto) as proxy:
        yield proxy


@pytest.fixture
async def other(mosquitto: Address) -> AsyncIterator[MqttLink]:
    """A second client of the shared Mosquitto, connected."""
    async with kept(MqttSession(reaching(mosquitto), client_id=unique())) as links:
        yield await links.next()
