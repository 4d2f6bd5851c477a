"""How NATS servers name MQTT topics: `a/b` is the subject `a.b`, and an MQTT message is kept as `$MQTT.msgs.a.b`.

Ref: https://docs.nats.io/learn/mqtt/topics-and-subjects and nats-server's server/mqtt.go (mqttStreamSubjectPrefix).
"""

from __future__ import annotations

from hubwatch_core.topics import ROOT, Leaf

PREFIX = "$MQTT.msgs."
_DOT = "//"
"""What a dot inside a level becomes, from NATS 2.10 on; 2.9 hangs up on a client that publishes one (measured)."""
_EMPTY = "/"
"""What an empty level becomes."""


def topic_of(subject: str) -> str:
    """Give the MQTT topic of a kept message."""
    levels = subject.removeprefix(PREFIX).split(".")
    return "/".join("" if level == _EMPTY else level.replace(_DOT, ".") for level in levels)


def everything_of(hub: str) -> str:
    """Give the subject filter for all that agents of a hub send, of all hubs when it is `+`."""
    return f"{PREFIX}{ROOT.replace('/', '.')}.{_token(hub)}.>"


def all_of(leaf: Leaf) -> str:
    """Give the subject filter for one kind of message of all hubs."""
    return f"{PREFIX}{ROOT.replace('/', '.')}.*.*.{leaf}"


def _token(level: str) -> str:
    return "*" if level == "+" else level.replace(".", _DOT)
