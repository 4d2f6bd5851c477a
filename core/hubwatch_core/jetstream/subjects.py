"""How NATS servers name MQTT topics: `a/b` is the subject `a.b`, and an MQTT message is kept as `$MQTT.msgs.a.b`.

Ref: https://docs.nats.io/learn/mqtt/topics-and-subjects and nats-server's server/mqtt.go (mqttStreamSubjectPrefix).
"""

from __future__ import annotations

from hubwatch_core.topics import ROOT, Leaf

PREFIX = "$MQTT.msgs."
_OURS = f"{PREFIX}{ROOT.replace('/', '.')}."
_EVERY_VERSION = f"{_OURS.removesuffix('1.')}*."
EVERYTHING = f"{_OURS}>"
_HUB = _OURS.count(".")
"""Where the hub stands in a subject."""
_DOT = "//"
"""What a dot inside a level becomes, from NATS 2.10 on; 2.9 hangs up on a client that publishes one (measured)."""
_EMPTY = "/"
"""What an empty level becomes."""


def topic_of(subject: str) -> str:
    """Return the MQTT topic of a kept message."""
    levels = subject.removeprefix(PREFIX).split(".")
    return "/".join("" if level == _EMPTY else level.replace(_DOT, ".") for level in levels)


def subject_of(topic: str) -> str:
    """Return the subject on which MQTT clients that have subscribed to a topic get a message."""
    return ".".join(level.replace(".", _DOT) or _EMPTY for level in topic.split("/"))


def everything_of(hub: str) -> str:
    """Return the subject filter for all that agents of a hub send, of all hubs when it is `+`."""
    return f"{_OURS}{_token(hub)}.>"


def frames_in(hub: str) -> str:
    """Return the subject filter for the frames of a hub, which is given as `hub_in` does."""
    return f"{_OURS}{hub}.*.{Leaf.FRAME}"


def hub_in(subject: str) -> str:
    """Return the hub in the subject of one of our messages, as it stands there."""
    return subject.split(".")[_HUB]


def is_frame(subject: str) -> bool:
    """Return whether one of our messages is a frame."""
    return subject.endswith(f".{Leaf.FRAME}")


def any_version(subject: str) -> str:
    """Return a filter for the same messages that no filter for version 1 holds whole; `trim.py` says why."""
    return f"{_EVERY_VERSION}{subject.removeprefix(_OURS)}"


def may_match(subject_filter: str, hub: str) -> bool:
    """Return whether a filter, whosoever it is, may match messages of a hub; True where that is not sure."""
    tokens = subject_filter.split(".")
    if ">" in tokens[: _HUB + 1] or len(tokens) <= _HUB:
        return True
    return tokens[_HUB] in {"*", hub}


def _token(level: str) -> str:
    return "*" if level == "+" else level.replace(".", _DOT)
