"""Fixtures: NATS."""

from __future__ import annotations

import pytest

from support import services


@pytest.fixture
def nats() -> services.Nats:
    """Addresses of a real NATS server with JetStream that all tests share: use subjects and streams of your own."""
    return services.nats_server()
