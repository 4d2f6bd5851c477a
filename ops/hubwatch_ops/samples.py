"""The samples of every configuration file, written from the models: `python -m hubwatch_ops.samples [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

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
HEADS = {
    "agents": "An agent: the edge of one hub. `hubwatch agent check-config FILE` checks it without connecting.",
    "collector": "A collector. `hubwatch collector check-config FILE` checks it without connecting.",
    "detectors": "The detectors. `hubwatch detectors check-config FILE` checks it without connecting.",
    "alarms": "Alarms. `hubwatch alarms check-config FILE` checks it without connecting.",
    "console": "The console's API. `hubwatch console check-config FILE` checks it without connecting.",
    "ops": "`hubwatch up`: collector, detectors and alarms in one process.",
}


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
        yield file, sample(model, f"{HEADS[name]}\n{COMMON}")


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
