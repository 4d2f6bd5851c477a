"""Mosquitto's access rights, made of the table of machine roles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hubwatch_ops.pki.roles import AGENT, COLLECTOR, DETECTORS, MachineRole, role_of

HEAD = """\
Access rights, made by `hubwatch pki acl mosquitto`. Everything that is not listed here is refused."""
AGENTS = """\
Agents: the name in the certificate, which Mosquitto takes for user name and client id, is "hub/agent". Each can
publish only its own frames, birth, state and roll call, and reads which of its frames a collector has stored."""
SERVICES = {
    COLLECTOR.name: "Collectors read what agents send, and write nothing but which frames are stored.",
    DETECTORS.name: "Detectors read what agents send, and write nothing.",
}
DEVICES = """\
Devices that publish MQTT get their own topics outside hubwatch/1, which one agent reads. For each device:
  user espgeiger-1
  topic write devices/espgeiger-1/#
and for that agent:
  user rotterdam/gate-7
  topic read devices/#
Keep these in a file of your own and name it with --more."""


def mosquitto_acl(names: Sequence[str] = (), more: str = "") -> str:
    """Return the file for the services of these names (by default one of each role), with lines of one's own behind."""
    kinds = {name: role_of(name) for name in names or (COLLECTOR.name, DETECTORS.name)}
    lines = [*_comment(HEAD), "", *_comment(AGENTS), *_agents()]
    for kind in (COLLECTOR, DETECTORS):
        users = sorted(name for name, found in kinds.items() if found is kind)
        for place, user in enumerate(users):
            lines += ["", *(_comment(SERVICES[kind.name]) if place == 0 else ()), f"user {user}", *_service(kind)]
    lines += ["", *(more.rstrip("\n").splitlines() if more else _comment(DEVICES))]
    return "\n".join(lines) + "\n"


def _agents() -> Iterator[str]:
    for access, patterns in (("write", AGENT.publish), ("read", AGENT.subscribe)):
        for each in patterns:
            yield f"pattern {access} {each.replace('{hub}/{agent}', '%u')}"


def _service(kind: MachineRole) -> Iterator[str]:
    yield from (f"topic read {each}" for each in kind.subscribe)
    yield from (f"topic write {each}" for each in kind.publish)


def _comment(text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in text.splitlines())
