"""`hubwatch up`: collector, detectors and alarms in one supervised process, for a hub on a single machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import typer
from pydantic import Field, create_model

from hubwatch_core import config, mistakes
from hubwatch_core.cli_border import border
from hubwatch_core.config import LogSection, MqttSection, NatsSection, Section, TelemetrySection
from hubwatch_core.errors import ConfigError, Problem
from hubwatch_core.service import Context, Part, serve
from hubwatch_ops.hub_sample import hub_sample

SHARED = ("mqtt", "nats", "database", "telemetry", "log")
"""Sections that stand once in the file and hold for every component."""


class Hub(NamedTuple):
    """The settings of every component, and of the process they share."""

    collector: Any
    detectors: Any
    alarms: Any
    telemetry: TelemetrySection
    log: LogSection

    def parts(self, context: Context) -> Sequence[Part]:
        """Give all parts; alarms start first and stop last, so that what is found on the way down is still told."""
        from hubwatch_alarms import service as alarms
        from hubwatch_collector import service as collector
        from hubwatch_detectors import service as detectors

        return [
            *alarms.parts(self.alarms, context),
            *detectors.parts(self.detectors, context),
            *collector.parts(self.collector, context),
        ]


@border
def up(
    file: Annotated[Path | None, typer.Option("-c", "--config", help="The hub's configuration (TOML).")] = None,
    check_config: Annotated[bool, typer.Option("--check-config", help="Check the configuration and exit.")] = False,
    sample_config: Annotated[bool, typer.Option("--sample-config", help="Print a configuration and exit.")] = False,
) -> None:
    """Run collector, detectors and alarms in one process."""
    if sample_config:
        typer.echo(hub_sample(SHARED), nl=False)
        return
    if file is None:
        raise ConfigError([Problem("-c", "", "is required: the hub's configuration; --sample-config prints one")])
    hub = load(file, check_files=True)
    if check_config:
        typer.echo(f"{file} is a valid hub configuration")
        return
    raise SystemExit(serve("up", hub.parts, telemetry=hub.telemetry, log=hub.log))


def load(file: Path, *, check_files: bool = False) -> Hub:
    """Read and check a hub's configuration, with `check_files` also whether the files and variables it names are good.

    Raises ConfigError with every mistake.
    """
    from hubwatch_alarms.check import beyond
    from hubwatch_alarms.config import Settings as AlarmSettings
    from hubwatch_collector.config import Settings as CollectorSettings
    from hubwatch_detectors.config import Settings as DetectorSettings

    models: dict[str, type[Section]] = {
        "collector": CollectorSettings,
        "detectors": DetectorSettings,
        "alarms": AlarmSettings,
    }
    hub: dict[str, Any] = {}

    def further(settings: Section, told: frozenset[str]) -> list[Problem]:
        problems: list[Problem] = []
        for name, model in models.items():
            hub[name] = _component(name, model, settings, file, problems)
        if check_files and hub["alarms"] is not None:
            problems += beyond(hub["alarms"], told, str(file), "alarms.")
        return problems

    loaded: Any = config.load(_file_model(models), file, further=further, check_files=check_files)
    return Hub(**hub, telemetry=loaded.telemetry, log=loaded.log)


def _file_model(models: dict[str, type[Section]]) -> type[Section]:
    """Make the model of the file: the shared sections once, and a table per component with what is its own."""
    from hubwatch_store.config import DatabaseSection

    def table(name: str, model: type[Section]) -> type[Section]:
        fields = {key: (field.annotation, field) for key, field in model.model_fields.items() if key not in SHARED}
        return create_model(f"{name.title()}Table", __base__=Section, **cast("dict[str, Any]", fields))

    own = {name: table(name, model) for name, model in models.items()}
    sections: dict[str, type[Section]] = {
        "mqtt": MqttSection,
        "database": DatabaseSection,
        "telemetry": TelemetrySection,
        "log": LogSection,
        **own,
    }
    fields: dict[str, Any] = {name: (model, Field(default_factory=model)) for name, model in sections.items()}
    fields["nats"] = (NatsSection | None, None)  # only where messages come from JetStream
    return create_model("HubFile", __base__=Section, **fields)


def _component(name: str, model: type[Section], loaded: Any, file: Path, problems: list[Problem]) -> Section | None:
    """Join what a component has of its own with what is shared; its checks across keys run here."""
    own = getattr(loaded, name)
    values = {key: getattr(own, key) for key in type(own).model_fields}
    values |= {key: getattr(loaded, key) for key in SHARED if key in model.model_fields}
    found = mistakes.find(model, values)
    problems += [Problem(str(file), mistakes.key_of((name, *each.path)), each.message) for each in found.mistakes]
    return found.settings
