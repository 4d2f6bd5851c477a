"""Settings of the alarms component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, model_validator

from hubwatch_alarms.notify.table import AnyRouteSection
from hubwatch_alarms.oncall.escalation_settings import EscalationSection, conflicts_of_escalations
from hubwatch_alarms.oncall.heartbeat import HeartbeatSection
from hubwatch_alarms.oncall.link import LinkSection
from hubwatch_alarms.oncall.settings import PersonSection, RotaSection, conflicts_of_oncall
from hubwatch_core.config import Conflict, LogSection, Partial, Section, TelemetrySection
from hubwatch_store.alarms import ExpectedKind
from hubwatch_store.database import DatabaseSection


class DeliverySection(Section):
    """How messages are brought to people."""

    give_up_after_s: Annotated[float, Field(ge=1, le=7 * 86_400)] = Field(
        4 * 3600.0,
        description="Seconds after which an undelivered message is given up, loudly. Four hours: a half shift.",
    )
    other_routes_after_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        120.0,
        description="Seconds after which a message that its route could not deliver goes out on every other route, "
        "too, whatever these carry otherwise, while nobody was told of the alarm. A route that has delivered nothing "
        "for so long is an alarm itself.",
    )
    group_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        60.0,
        description="After a message to a person of an incident, seconds in which what comes of it is collected for "
        "the next one, at most half of other_routes_after_s. What is critical is told at once, and alone.",
    )

    @property
    def collected_s(self) -> float:
        """Return for how long messages are collected: less than until one counts as failed, and goes out elsewhere."""
        return min(self.group_s, self.other_routes_after_s / 2)


class ShelvingSection(Section):
    """Limits of setting alarms aside."""

    renamed: ClassVar[Mapping[str, str]] = {"longest_s": "max_s"}

    max_s: Annotated[float, Field(ge=60, le=7 * 86_400)] = Field(
        8 * 3600.0, description="Longest time an alarm may be shelved: a shift, so that the next one sees it again."
    )
    critical_max_s: Annotated[float, Field(ge=60, le=7 * 86_400)] = Field(
        2 * 3600.0, description="Longest time an alarm of priority 1 may be shelved."
    )


class ExpectingSection(Section):
    """The longest times for which alarms may be expected, and so told to nobody."""

    works_max_s: Annotated[float, Field(ge=60, le=90 * 86_400)] = Field(
        14 * 86_400.0, description="Longest planned works: two weeks."
    )
    out_of_service_max_s: Annotated[float, Field(ge=60, le=365 * 86_400)] = Field(
        30 * 86_400.0, description="Longest time something is out of service: what is broken for longer is replaced."
    )
    maintenance_max_s: Annotated[float, Field(ge=60, le=90 * 86_400)] = Field(
        14 * 86_400.0, description="Longest time a zone is in maintenance."
    )
    critical_max_s: Annotated[float, Field(ge=60, le=7 * 86_400)] = Field(
        8 * 3600.0, description="Longest time alarms of priority 1 may be expected: a shift."
    )

    def max_s(self, kind: ExpectedKind, *, critical: bool) -> float:
        """Return the longest time for a kind."""
        longest = {
            ExpectedKind.WORKS: self.works_max_s,
            ExpectedKind.OUT_OF_SERVICE: self.out_of_service_max_s,
            ExpectedKind.MAINTENANCE: self.maintenance_max_s,
        }[kind]
        return min(longest, self.critical_max_s) if critical else longest


class AlarmsSettings(Section):
    """Everything `hubwatch alarms` needs to know."""

    database: DatabaseSection = Field(default_factory=DatabaseSection)
    telemetry: TelemetrySection = Field(default_factory=TelemetrySection)
    log: LogSection = Field(default_factory=LogSection)
    delivery: DeliverySection = Field(default_factory=DeliverySection)
    shelving: ShelvingSection = Field(default_factory=ShelvingSection)
    expecting: ExpectingSection = Field(default_factory=ExpectingSection)
    instructions_file: Path | None = Field(
        None,
        examples=["/etc/hubwatch/instructions.toml"],
        description="The hub's own instructions, a TOML file in the shape of the packaged instructions.toml.",
    )
    priorities_file: Path | None = Field(
        None,
        examples=["/etc/hubwatch/priority.toml"],
        description="The hub's own priorities, a TOML file: what differs from the packaged priority.toml.",
    )
    scenarios_file: Path | None = Field(
        None,
        examples=["/etc/hubwatch/scenarios.toml"],
        description="The hub's own exercises, a TOML file in the shape of the packaged scenarios.toml.",
    )
    routes: tuple[AnyRouteSection, ...] = Field(
        (),
        examples=[{"name": "journal", "kind": "log"}],
        description="One table for each way to tell people. A route that fails delays no other.",
    )
    acknowledge: LinkSection | None = Field(
        None, description="Puts a link into messages to people with which they acknowledge; the console answers it."
    )
    heartbeat: HeartbeatSection | None = Field(
        None, description="The dead man: a beat to an address outside while the whole path to people is well."
    )
    people: Annotated[tuple[PersonSection, ...], Field(max_length=1000)] = Field(
        (), description="Who can be told, one table each."
    )
    rotas: Annotated[tuple[RotaSection, ...], Field(max_length=200)] = Field(
        (), description="Who is on call when, one table for each rota; `hubwatch alarms oncall` shows it."
    )
    escalations: Annotated[tuple[EscalationSection, ...], Field(max_length=200)] = Field(
        (), description="Who is told of which alarms, step after step, until a person acknowledges; one table each."
    )

    @classmethod
    def conflicts_between(cls, parts: Partial[Any]) -> Iterator[Conflict]:
        """The name of a route stands in the journal and tells which it was."""
        names = [route.get("name") for _, route in parts.every("routes")]
        for index, name in enumerate(names):
            if name is not None and name in names[:index]:
                yield ("routes", index, "name"), f"routes need different names, but there are several called {name}"
        yield from conflicts_of_oncall(parts)
        yield from conflicts_of_escalations(parts)


class CommandSettings(Section):
    """What the commands for people need: from this component's file, or from the one of `hubwatch up`, where it stands
    under [alarms]. What else such a file holds is checked by those it is for.
    """

    model_config = ConfigDict(extra="ignore")

    database: DatabaseSection = Field(default_factory=DatabaseSection)
    shelving: ShelvingSection = Field(default_factory=ShelvingSection)
    expecting: ExpectingSection = Field(default_factory=ExpectingSection)
    instructions_file: Path | None = None
    rotas: tuple[RotaSection, ...] = ()
    priorities_file: Path | None = None
    scenarios_file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_the_hubs_file(cls, tree: dict[str, Any]) -> dict[str, Any]:
        own = tree.get("alarms")
        return {**own, **tree} if isinstance(own, dict) else tree
