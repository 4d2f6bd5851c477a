"""The users of a NATS server, made of the table of machine roles.

A server that maps certificates to users (`verify_and_map`) takes the whole subject for the name. NATS knows no list of
revoked certificates: who is no user here is nobody, so agents stand here one by one, and whoever is taken off is
disconnected when the server reads the file again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from hubwatch_core.jetstream.stream import STREAM
from hubwatch_core.jetstream.subjects import subject_of
from hubwatch_ops.pki.roles import AGENT, COLLECTOR, DETECTORS, MachineRole, filled, role_of

HEAD = """\
# Users, made by `hubwatch pki acl nats`. Who is not listed here is refused.
"""
API = "$JS.API."
INBOX = "_INBOX.>"


def nats_users(names: Sequence[str] = (), agents: Iterable[str] = (), hubs: Sequence[str] = ()) -> str:
    """Return the file for services of these names (by default one of each role) and agents, as `hub/agent`.

    `hubs` are those that detectors are told to watch; none where they watch all.
    """
    wanted = names or (COLLECTOR.name, DETECTORS.name)
    services = [(name, kind) for kind in (COLLECTOR, DETECTORS) for name in sorted(wanted) if role_of(name) is kind]
    lines = [_user(name, kind, hubs) for name, kind in services]
    lines += [_user(name, AGENT, ()) for name in sorted(set(agents))]
    return HEAD + "users: [\n" + "".join(f"  {line}\n" for line in lines) + "]\n"


def _user(name: str, kind: MachineRole, hubs: Sequence[str]) -> str:
    publish = [_subject(each) for each in filled(kind.publish, name)]
    subscribe = [_subject(each) for each in filled(kind.subscribe, name)]
    if kind.jetstream:
        # What agents send comes from the stream, as answers to requests.
        publish, subscribe = [*publish, *_requests(kind, name, hubs)], [INBOX]
    listen = "STANDARD" if kind.jetstream else "MQTT"
    rights = f"{{ publish: {_list(publish)}, subscribe: {_list(subscribe)} }}"
    return f'{{ user: "CN={name}", permissions: {rights}, allowed_connection_types: ["{listen}"] }}'


def _requests(kind: MachineRole, name: str, hubs: Sequence[str]) -> Iterator[str]:
    yield from (f"{API}{each}" for each in kind.jetstream)
    for consumer in _consumers(kind, name, hubs):
        place = f"{STREAM}.{consumer}"
        yield from (f"{API}CONSUMER.{verb}.{place}" for verb in ("DURABLE.CREATE", "CREATE", "INFO", "DELETE"))
        yield f"{API}CONSUMER.CREATE.{place}.>"
        yield f"{API}CONSUMER.MSG.NEXT.{place}"
        yield f"$JS.ACK.{place}.>"


def _consumers(kind: MachineRole, name: str, hubs: Sequence[str]) -> Iterator[str]:
    for each in filled(kind.consumers, name):
        if kind is not DETECTORS or not hubs:
            yield each
        else:
            stem, _, side = each.rpartition("_")
            yield from (f"{stem}-{hub.replace('.', '~')}_{side}" for hub in hubs)


def _subject(topic: str) -> str:
    return subject_of(topic).replace("+", "*").replace("#", ">")


def _list(subjects: Iterable[str]) -> str:
    return json.dumps(list(subjects))
