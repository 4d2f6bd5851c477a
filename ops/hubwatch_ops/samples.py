"""The samples of every configuration file, written from the models: `python -m hubwatch_ops.samples [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from hubwatch_agents.settings import AgentSettings
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_collector.settings import CollectorSettings
from hubwatch_console.settings import ConsoleSettings
from hubwatch_core.config import Section
from hubwatch_core.config.sample import sample
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_ops.up import hub_model

COMMON = (
    "HUBWATCH_SECTION__KEY in the environment goes before this file. What is commented out may be left out: it shows "
    "the default, or an example where there is none."
)
MACHINES = (
    "Each machine has a certificate, and what agents say is signed: docs/howto/enrol-a-gateway.md says how. A broker "
    "that only this machine reaches does without: take the lines of certificates and signatures out at every component "
    "then."
)
HEADS = {
    "agents": "An agent: the edge of one hub. `hubwatch agent check-config FILE` checks it without connecting.",
    "collector": "A collector. `hubwatch collector check-config FILE` checks it without connecting.",
    "detectors": "The detectors. `hubwatch detectors check-config FILE` checks it without connecting.",
    "alarms": "Alarms. `hubwatch alarms check-config FILE` checks it without connecting.",
    "console": "The console's API. `hubwatch console check-config FILE` checks it without connecting.",
    "ops": "`hubwatch up`: collector, detectors and alarms in one process.",
}


def _tls(name: str) -> dict[str, str]:
    certs = "/etc/hubwatch/certs"
    return {"ca_file": f"{certs}/ca.pem", "cert_file": f"{certs}/{name}.pem", "key_file": f"{certs}/{name}.key"}


def _broker(tls: dict[str, str]) -> dict[str, Any]:
    return {"host": "hub.example", "port": 8883, "tls": tls}


_IDENTITY = "/etc/hubwatch/identity"
_ENROLLED = {
    "ca_file": f"{_IDENTITY}/ca.pem",
    "cert_file": f"{_IDENTITY}/current/agent.pem",
    "key_file": f"{_IDENTITY}/current/agent.key",
}
_BELIEVED = {"signatures": "require", "claims": "refuse", "unannounced": "refuse"}
IN_FORCE: dict[str, dict[str, Any]] = {
    "agents": {
        "hub": "rotterdam",
        "agent": "gate-7",
        "signing_key_file": _ENROLLED["key_file"],
        "mqtt": _broker(_ENROLLED),
        "identity": {"folder": _IDENTITY},
    },
    "collector": {"mqtt": _broker(_tls("collector")), "intake": _BELIEVED},
    "detectors": {"signatures": "require", "claims": "refuse", "mqtt": _broker(_tls("detectors"))},
    "ops": {
        "mqtt": _broker(_tls("collector")),
        "collector": {"intake": _BELIEVED},
        "detectors": {"signatures": "require", "claims": "refuse", "mqtt_tls": _tls("detectors")},
    },
}
"""What is not the default: each machine has a certificate, and what agents say is signed and of their own sensors.

Decisions 0079 and 0129.
"""


def samples() -> Iterator[tuple[Path, str]]:
    """Yield the file of each sample and what must stand there."""
    models: dict[str, type[Section]] = {
        "agents": AgentSettings,
        "collector": CollectorSettings,
        "detectors": DetectorsSettings,
        "alarms": AlarmsSettings,
        "console": ConsoleSettings,
        "ops": hub_model(),
    }
    for name, model in models.items():
        file = Path(str(resources.files(f"hubwatch_{name}"))) / "sample.toml"
        head = [HEADS[name], *([MACHINES] if name in IN_FORCE else ()), COMMON]
        yield file, sample(model, "\n".join(head), IN_FORCE.get(name))


def main(arguments: list[str]) -> int:
    """Write the samples, or with --check say which are not as the models have them."""
    stale = 0
    for file, text in samples():
        if "--check" not in arguments:
            file.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{file} is not what the models say: run `make samples`\n")
            stale = 1
    return stale


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
