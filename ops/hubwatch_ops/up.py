"""`hubwatch up`: collector, detectors, alarms and, where they are wanted, console and enrolment in one supervised
process, for a hub on a single machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from pydantic import Field, create_model

from hubwatch_core.config import (
    LogSection,
    MqttSection,
    NatsSection,
    Partial,
    Section,
    TelemetrySection,
    TlsSection,
    key_of,
    validate,
)
from hubwatch_core.config.load import load as load_file
from hubwatch_core.errors import ConfigError, Problem
from hubwatch_core.process import Context, Part, border, serve
from hubwatch_core.terminal import hand_over, say

SHARED = ("mqtt", "nats", "database", "telemetry", "log")
"""Sections that stand once in the file and hold for every component."""
OWN_TLS = "mqtt_tls"
"""A broker that takes the client id from the certificate wants one for each session."""
OF_ALARMS = ("shelving", "instructions_file", "scenarios_file")
"""What alarms say, the console follows: it stands once."""


class Hub(NamedTuple):
    """The settings of every component, and of the process they share."""

    collector: Any
    detectors: Any
    alarms: Any
    console: Any
    enrolment: Any
    mqtt: MqttSection
    telemetry: TelemetrySection
    log: LogSection

    def parts(self, context: Context) -> Sequence[Part]:
        """Return all parts; alarms start first and stop last, so that what is found on the way down is still told."""
        from hubwatch_alarms import service as alarms
        from hubwatch_collector import service as collector
        from hubwatch_detectors import service as detectors

        return [
            *self._console(context),
            *self._enrolment(context),
            *alarms.parts(self.alarms, context),
            *detectors.parts(self.detectors, context),
            *collector.parts(self.collector, context),
        ]

    def _console(self, context: Context) -> Sequence[Part]:
        if self.console is None:
            return ()
        from hubwatch_console.service import parts  # its libraries are needed only then

        return parts(self.console, context)

    def _enrolment(self, context: Context) -> Sequence[Part]:
        if self.enrolment is None:
            return ()
        from hubwatch_ops.enrolment.service import parts  # cryptography is needed only then

        return parts(self.enrolment, self.mqtt, self.collector.database, context)


@border
def up(
    file: Annotated[Path | None, typer.Option("-c", "--config", help="The hub's configuration (TOML).")] = None,
    check_config: Annotated[bool, typer.Option("--check-config", help="Check the configuration and exit.")] = False,
    sample_config: Annotated[bool, typer.Option("--sample-config", help="Print a configuration and exit.")] = False,
) -> None:
    """Run collector, detectors and alarms in one process, with console and enrolment where the file has them."""
    if sample_config:
        hand_over((resources.files("hubwatch_ops") / "sample.toml").read_text(encoding="utf-8"))
        return
    if file is None:
        raise ConfigError([Problem("-c", "", "is required: the hub's configuration; --sample-config prints one")])
    hub = load(file, check_files=True)
    if check_config:
        say(f"{file} is a valid hub configuration")
        return
    if hub.console is not None:
        say(f"the console is at {hub.console.api.address}", err=True)
    raise SystemExit(serve("up", hub.parts, telemetry=hub.telemetry, log=hub.log))


def load(file: Path, *, check_files: bool = False) -> Hub:
    """Read and check a hub's configuration, with `check_files` also whether the files and variables it names are good.

    Raises ConfigError with every mistake.
    """
    from hubwatch_alarms.check import beyond

    models = _models()
    hub: dict[str, Any] = {}

    def further(settings: Partial[Any]) -> list[Problem]:
        problems: list[Problem] = []
        for name, model in models.items():
            part = _component(name, model, settings, file, problems)
            hub[name] = part.valid
            if check_files and name == "alarms":
                problems += beyond(part, str(file), "alarms.")
        hub["console"] = _console(settings, file, problems)
        return problems

    loaded: Any = load_file(hub_model(), file, further=further, check_files=check_files)
    return Hub(**hub, enrolment=loaded.enrolment, mqtt=loaded.mqtt, telemetry=loaded.telemetry, log=loaded.log)


def _models() -> dict[str, type[Section]]:
    from hubwatch_alarms.settings import AlarmsSettings
    from hubwatch_collector.settings import CollectorSettings
    from hubwatch_detectors.settings import DetectorsSettings

    return {"collector": CollectorSettings, "detectors": DetectorsSettings, "alarms": AlarmsSettings}


def hub_model() -> type[Section]:
    """Make the model of the file: the shared sections once, and a table per component with what is its own."""
    from hubwatch_console.settings import ConsoleSettings
    from hubwatch_ops.database.settings import BackupSection
    from hubwatch_ops.enrolment.settings import EnrolmentSection
    from hubwatch_store.database import DatabaseSection

    def table(name: str, model: type[Section], left_out: Sequence[str] = SHARED) -> type[Section]:
        fields: dict[str, Any] = {
            key: (field.annotation, field) for key, field in model.model_fields.items() if key not in left_out
        }
        if "mqtt" in model.model_fields:
            text = "Certificate of this component alone, where a broker takes the client id from it; [mqtt.tls] else."
            fields[OWN_TLS] = (TlsSection | None, Field(None, description=text))
        made = create_model(f"{name.title()}Table", __base__=Section, **fields)
        made.renamed, made.gone = model.old_names(), model.gone_keys()
        return made

    own = {name: table(name, model) for name, model in _models().items()}
    sections: dict[str, type[Section]] = {
        "mqtt": MqttSection,
        "database": DatabaseSection,
        "telemetry": TelemetrySection,
        "log": LogSection,
        **own,
    }
    fields: dict[str, Any] = {name: (model, Field(default_factory=model)) for name, model in sections.items()}
    fields["nats"] = (
        NatsSection | None,
        Field(None, description="With it messages come from JetStream instead of [mqtt]."),
    )
    console = table("console", ConsoleSettings, (*SHARED, *OF_ALARMS))
    own_login = Field(
        None, description="The login of the console alone, as `hubwatch db roles` makes it; unset: [database]."
    )
    console = create_model("ConsoleTable", __base__=console, database=(DatabaseSection | None, own_login))
    fields["console"] = (
        console | None,
        Field(None, description="The API for people and programs; without it this process serves none."),
    )
    fields["enrolment"] = (
        EnrolmentSection | None,
        Field(None, description="Where agents are enrolled; without it this process enrols nobody."),
    )
    fields["backup"] = (
        BackupSection | None,
        Field(None, description="For `hubwatch db backup -c`; the hub itself makes none."),
    )
    return create_model("HubFile", __base__=Section, **fields)


def _console(loaded: Partial[Any], file: Path, problems: list[Problem]) -> Section | None:
    """Join the console's table with what is shared, where there is one."""
    from hubwatch_console.settings import ConsoleSettings

    own = loaded.part("console")
    if own.valid is None and not own.values and not own.wrong:
        return None
    shared = {key: loaded.part(key) for key in SHARED if key in ConsoleSettings.model_fields}
    alarms = loaded.part("alarms")
    of_alarms = {key: alarms.values[key] for key in OF_ALARMS if key in alarms.values}
    values = {key: value for key, value in own.values.items() if key != "database" or value is not None}
    part, mistakes = validate(ConsoleSettings, {**shared, **of_alarms, **values}, wrong=own.wrong)
    problems += [Problem(str(file), key_of(("console", *each.path)), each.message) for each in mistakes]
    return part.valid


def _component(
    name: str, model: type[Section], loaded: Partial[Any], file: Path, problems: list[Problem]
) -> Partial[Any]:
    """Join what a component has of its own with what is shared, as far as both are right; its checks across keys run
    here.
    """
    own = loaded.part(name)
    shared = {key: loaded.part(key) for key in SHARED if key in model.model_fields}
    if loaded.get("nats") is None and "nats" not in loaded.values:
        shared.pop("nats", None)
    values = dict(own.values)
    tls = own.get(OWN_TLS) if "mqtt" in model.model_fields else None
    values.pop(OWN_TLS, None)
    mqtt = loaded.get("mqtt")
    if tls is not None and mqtt is not None:
        shared["mqtt"] = Partial(MqttSection, mqtt.model_copy(update={"tls": tls}))
    part, mistakes = validate(model, {**values, **shared}, wrong=own.wrong)
    problems += [Problem(str(file), key_of((name, *each.path)), each.message) for each in mistakes]
    return part
