"""Reads from a line of a broker's log whom it refused: Mosquitto's log, and that of a NATS server.

A client chooses names and topics, and may write into them what looks like a line of a log: only whole lines count, and
what is quoted in them is never taken for the broker's own words.

Ref: lines of Mosquitto 2.0.11 and nats-server 2.9.10, as tests provoke them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hubwatch_core import topics
from hubwatch_core.ids import is_id
from hubwatch_core.topics import Leaf
from hubwatch_store.ingest import Mistrust

MAX_LINE_CHARS = 4000
_PUBLISHES = (*(f"{topics.ROOT}/{{}}/{leaf}" for leaf in Leaf), f"{topics.ROLLCALL}/{{}}")
_SUBSCRIBES = (f"{topics.ROLLCALL}/{{}}/answer",)
"""An agent's own, with its name left out: what the rules of `hubwatch pki acl` allow."""
_HUBWATCHS = [topics.ROOT.partition("/")[0]], ["#"], ["+"]
"""First levels of what reaches topics of hubwatch."""

_MOSQUITTO = r"(?:[0-9T:.+-]{8,32}: |\w{3} [ \d]\d \d\d:\d\d:\d\d \S{1,64} mosquitto\[\d+\]: )?"
"""Its time, as a number or as ISO 8601, or what syslog puts before it."""
_NATS = r"\[\d+\] [\d/]{10} [\d:.]{8,16} \[ERR\] (?P<where>\S{1,64}):\d+ - \w{1,8}:\d+ - (?:\"(?:[^\"\\]|\\.)*\" - )?"
_QUOTED = r"\"(?P<{}>(?:[^\"\\]|\\.)*)\""

_LINES: tuple[tuple[Mistrust, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.DOTALL))
    for kind, pattern in (
        (Mistrust.LOGIN, rf"{_MOSQUITTO}Client .{{1,1000}} disconnected, (?P<what>not authorised)\."),
        (
            Mistrust.LOGIN,
            rf"{_MOSQUITTO}OpenSSL Error\[\d+\]: error:[0-9A-F]+:[^:]*:[^:]*:(?P<what>[a-zA-Z0-9 ]*certificate[a-z ]*)",
        ),
        # The same, where the handshake ended while the connection was taken.
        (
            Mistrust.LOGIN,
            rf"{_MOSQUITTO}Client connection from (?P<where>\S{{1,64}}) failed: error:[0-9A-F]+:[^:]*:[^:]*:"
            r"(?P<what>[a-zA-Z0-9 ]*certificate[a-z ]*)\.",
        ),
        (
            Mistrust.TOPIC,
            rf"{_MOSQUITTO}Denied (?P<what>PUBLISH) from (?P<who>.{{1,1000}}?) \(d[01], q[0-2], r[01], m\d+, "
            # It cuts a line after 999 characters, so a long topic ends where the line does.
            r"'(?:(?P<topic>.*)', \.\.\. \(\d+ bytes\)\)|(?P<cut>.*))",
        ),
        (Mistrust.LOGIN, rf"{_NATS}(?P<what>authentication error)(?: - .*)?"),
        (Mistrust.LOGIN, rf"{_NATS}TLS handshake error: (?P<what>.*certificate.*)"),
        (
            Mistrust.TOPIC,
            rf"{_NATS}(?P<what>Publish|Subscription) Violation - \w+ {_QUOTED.format('who')}, "
            rf"Subject {_QUOTED.format('topic')}(?:, .*)?",
        ),
    )
)
_NEW = re.compile(rf"{_MOSQUITTO}New connection from (?P<where>\S{{1,64}}):\d+ on port \d+\.")
_WHO = r"(?P<who>[^\s/]{1,63}/[^\s/]{1,63})"
_SUBSCRIBED = re.compile(rf"{_MOSQUITTO}{_WHO} [012] (?P<what>.+)", re.DOTALL)
"""What `log_type subscribe` says: Mosquitto grants each subscription, and withholds what comes."""
_CONNECTED = re.compile(rf"{_MOSQUITTO}New client connected from \S{{1,80}} as {_WHO} \(p.*", re.DOTALL)
_WILL = re.compile(rf"{_MOSQUITTO}Will message specified \(\d+ bytes\) \(r[01], q[0-2]\)\.")
_WILL_AT = re.compile(rf"{_MOSQUITTO}\t(?P<what>.+)", re.DOTALL)
"""The will of who has just connected, with `log_type debug`: Mosquitto takes each, and sends only what may be."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Somebody whom the broker did not let in, or a machine that it did not let have its way."""

    kind: Mistrust
    reason: str
    agent: tuple[str, str] | None = None
    """Hub and agent, where its certificate says that it is one."""


class BrokerLogReader:
    """Understands the lines of one broker in turn."""

    def __init__(self) -> None:
        self._newest = ""
        """Whence the newest connection to Mosquitto came: what it says of a refused login names nobody."""
        self._connected: str | None = None
        """Who has connected in the line before."""
        self._leaves_will: str | None = None
        """Whose will the line before has begun to tell of."""

    def refusal(self, line: str) -> Refusal | None:
        """Return what a line says of a refusal; None where it says nothing of one."""
        if len(line) > MAX_LINE_CHARS:
            self._connected = self._leaves_will = None
            return None
        if (will := self._will(line)) is not None:
            return will
        if (came := _NEW.fullmatch(line)) is not None:
            self._newest = came["where"]
            return None
        for kind, pattern in _LINES:
            found = pattern.fullmatch(line)
            if found is not None:
                return self._login(found) if kind is Mistrust.LOGIN else _topic(found)
        found = _SUBSCRIBED.fullmatch(line)
        return _beyond(found["who"], "subscribe to", found["what"], _SUBSCRIBES) if found else None

    def _will(self, line: str) -> Refusal | None:
        """Return what the third of three lines says that tell of one connection."""
        connected, self._connected = self._connected, None
        leaves_will, self._leaves_will = self._leaves_will, None
        if (found := _CONNECTED.fullmatch(line)) is not None:
            self._connected = found["who"]
        elif connected and _WILL.fullmatch(line):
            self._leaves_will = connected
        elif leaves_will and (found := _WILL_AT.fullmatch(line)) is not None:
            return _beyond(leaves_will, "leave a will at", found["what"], _PUBLISHES)
        return None

    def _login(self, found: re.Match[str]) -> Refusal:
        where = found.groupdict().get("where")
        by = f"from {where}" if where else f"newest connection before it from {self._newest or 'an unknown address'}"
        return Refusal(Mistrust.LOGIN, f"{found['what']}, {by}")


def _topic(found: re.Match[str]) -> Refusal:
    who, verb = found["who"].removeprefix("CN="), "subscribe to" if found["what"] == "Subscription" else "publish to"
    topic = found["topic"] if found["topic"] is not None else f"{found['cut']}…"
    return Refusal(Mistrust.TOPIC, f"{who} may not {verb} {topic}", agent_of(who))


def _beyond(who: str, verb: str, topic: str, own: tuple[str, ...]) -> Refusal | None:
    """Return what an agent tried beyond its own, of which Mosquitto does not say that it is refused.

    Of topics that are not hubwatch's the site's own rules decide, which are not known here.
    """
    agent = agent_of(who)
    if agent is None or topic in {each.format(who) for each in own}:
        return None
    levels = topic.split("/")
    if (levels[2:] if levels[0] == "$share" else levels)[:1] not in _HUBWATCHS:
        return None
    return Refusal(Mistrust.TOPIC, f"{who} may not {verb} {topic}", agent)


def agent_of(name: str) -> tuple[str, str] | None:
    """Return hub and agent of a common name; None where it is that of no agent."""
    hub, slash, agent = name.partition("/")
    return (hub, agent) if slash and is_id(hub) and is_id(agent) else None
