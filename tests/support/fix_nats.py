"""Fixtures: NATS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import services
from support.own_nats import OwnNats, make_cluster


@pytest.fixture
def nats() -> services.Nats:
    """Addresses of a real NATS server with JetStream that all tests share: use subjects and streams of your own."""
    return services.nats_server()


@pytest.fixture
def nats_cluster(tmp_path: Path) -> Iterator[list[OwnNats]]:
    """Three private NATS servers with JetStream, of which the test may `kill()` and `start()` any."""
    members = make_cluster(tmp_path, 3)
    try:
        for member in members:
            member.await_healthy()
        yield members
    finally:
        for member in members:
            member.stop()


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[OwnNats]:
    """A private NATS server with JetStream and without a stream, which the test may `kill()` and `start()`."""
    (server,) = make_cluster(tmp_path, 1)
    try:
        server.await_healthy(1)
        yield server
    finally:
        server.stop()
