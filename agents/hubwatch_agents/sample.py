"""Connections and devices that the sample of an agent's configuration shows."""

from __future__ import annotations

from typing import Any

CONNECTIONS: list[dict[str, Any]] = [
    {"name": "portal-2", "transport": "tcp", "host": "10.7.0.21"},
    {"name": "io-1", "transport": "tcp", "host": "10.7.0.31"},
    {"name": "line-1", "transport": "rtu", "port": "/dev/ttyUSB0"},
    {"name": "site-broker", "transport": "mqtt", "host": "localhost"},
]

DEVICES: list[dict[str, Any]] = [
    {"sensor": "rpm-2", "zone": "gate-2", "profile": "aspect-rpm", "connection": "portal-2"},
    {
        "sensor": "door-1",
        "zone": "office",
        "profile": "moxa-e1210-door",
        "connection": "io-1",
        "parameters": {"position_bit": 0, "rex_bit": 1},
    },
    {
        "sensor": "fence-1",
        "zone": "fence-north",
        "profile": "moxa-e1210-fence",
        "connection": "io-1",
        "parameters": {"alarm_bit": 2, "tamper_bit": 3},
    },
    {
        "sensor": "door-1",
        "zone": "office",
        "profile": "uhppoted-door",
        "connection": "site-broker",
        "parameters": {"device": 405419896, "door": 1},
    },
    {
        "sensor": "area-1",
        "zone": "office",
        "profile": "espgeiger",
        "connection": "site-broker",
        "parameters": {"root": "ESPGeiger-0a1b2c"},
    },
]
