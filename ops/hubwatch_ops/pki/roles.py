"""What each kind of machine may do: one table, of which the rules for Mosquitto, NATS and certificates are made.

Topics are those of MQTT; `{hub}` and `{agent}` are the holder's own, `{name}` the name in its certificate. A new topic
is a line here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hubwatch_core import topics
from hubwatch_core.errors import BadCall
from hubwatch_core.ids import is_id
from hubwatch_core.jetstream.stream import STREAM
from hubwatch_core.topics import Leaf, Topic
from hubwatch_ops.pki.issuer import Subject

_MANAGE = f"STREAM.INFO.{STREAM}", f"STREAM.MSG.GET.{STREAM}", f"CONSUMER.LIST.{STREAM}"
"""What every session asks: whether the stream is there, how full it is and who holds it up."""
_MAKE = f"STREAM.CREATE.{STREAM}", f"STREAM.DELETE.{STREAM}", f"STREAM.PURGE.{STREAM}"
"""Makes the stream and removes what everybody has acknowledged."""


@dataclass(frozen=True, slots=True)
class MachineRole:
    """One kind of machine."""

    name: str
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    jetstream: tuple[str, ...] = ()
    """Requests to JetStream beside those about its own consumers, without `$JS.API.`."""
    consumers: tuple[str, ...] = ()
    """Consumers of its own, as `JetStreamSession` names them."""
    database: str | None = None
    """The role it has in the database."""
    serves: bool = False
    calls: bool = True
    enrols: bool = False
    """It is given its certificate by enrolment, not by `pki issue`."""


AGENT = MachineRole(
    "agent",
    publish=(
        *(str(Topic("{hub}", "{agent}", leaf)) for leaf in Leaf),
        # Whether a collector hears it.
        topics.rollcall("{hub}", "{agent}"),
    ),
    # Which of its frames are stored; an agent keeps its frames until it gets these answers.
    subscribe=(topics.answer("{hub}", "{agent}"),),
    enrols=True,
)
COLLECTOR = MachineRole(
    "collector",
    publish=(topics.ANSWERS,),
    subscribe=(*(topics.every(leaf) for leaf in Leaf), topics.EVERY_ROLLCALL),
    jetstream=(*_MANAGE, *_MAKE),
    consumers=("hubwatch-collector",),
    database="hubwatch_collector",
)
DETECTORS = MachineRole(
    "detectors",
    subscribe=tuple(topics.every(leaf) for leaf in Leaf),
    # It makes no stream and removes nothing from it: what collectors have not stored is not its to throw away.
    jetstream=_MANAGE,
    consumers=("hubwatch-{name}_a", "hubwatch-{name}_b"),
    database="hubwatch_detectors",
)
ROLES = (
    AGENT,
    COLLECTOR,
    DETECTORS,
    MachineRole("alarms", publish=(topics.ALARMS,), database="hubwatch_alarms"),
    MachineRole("console", database="hubwatch_console", serves=True),
    MachineRole("enrolment", serves=True, calls=False),
    MachineRole("broker", serves=True, calls=False),
    # Servers of a cluster call one another.
    MachineRole("nats", serves=True),
)


def role(name: str) -> MachineRole:
    """Return a role by its name. Raises BadCall when there is none."""
    for each in ROLES:
        if each.name == name:
            return each
    raise BadCall(f"{name} is none of {', '.join(each.name for each in ROLES)}")


def agent_name(hub: str, agent: str) -> str:
    """Return the common name of an agent. No service's name has a slash, so neither passes for the other."""
    return f"{hub}/{agent}"


def service_name(kind: MachineRole, name: str) -> str:
    """Return the common name of a service: that of its role, or one that begins with it. Raises BadCall."""
    if not is_id(name) or not (name == kind.name or name.startswith(f"{kind.name}-")):
        raise BadCall(f"the name of a machine for {kind.name} must be {kind.name}, or {kind.name}- and an id")
    return name


def role_of(common_name: str) -> MachineRole | None:
    """Return the role that a common name stands for."""
    hub, slash, agent = common_name.partition("/")
    if slash:
        return AGENT if is_id(hub) and is_id(agent) else None
    services = (each for each in ROLES if not each.enrols)
    return next(
        (each for each in services if common_name == each.name or common_name.startswith(f"{each.name}-")), None
    )


def subject_for(kind: MachineRole, common_name: str, hosts: tuple[str, ...] = ()) -> Subject:
    """Return whom a certificate is for. Raises BadCall where a server has no host, or a client has one."""
    if kind.serves and not hosts:
        raise BadCall(f"{kind.name} serves others: give each name and address it is reached by with --host")
    if hosts and not kind.serves:
        raise BadCall(f"{kind.name} serves nobody: it has no --host")
    return Subject(common_name, hosts, server=kind.serves, client=kind.calls)


def filled(patterns: tuple[str, ...], common_name: str) -> Iterator[str]:
    """Yield patterns with what a holder's common name says put in."""
    hub, _, agent = common_name.partition("/")
    for each in patterns:
        yield each.replace("{hub}", hub).replace("{agent}", agent).replace("{name}", common_name)
