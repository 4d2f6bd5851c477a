"""Settings of the alarms component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, model_validator

from hubwatch_alarms.notify.table import AnyRouteSection
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
        "too, whatever these carry otherwise, while nobody was told of the alarm.",
    )


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
    """For how long alarms may be expected that nobody is told of then."""

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
    routes: tuple[AnyRouteSection, ...] = Field(
        (),
        examples=[{"name": "journal", "kind": "log"}],
        description="One table for each way to tell people. A route that fails delays no other.",
    )

    @classmethod
    def conflicts_between(cls, parts: Partial[Any]) -> Iterator[Conflict]:
        """The name of a route stands in the journal and tells which it was."""
        names = [route.get("name") for _, route in parts.every("routes")]
        for index, name in enumerate(names):
            if name is not None and name in names[:index]:
                yield ("routes", index, "name"), f"routes need different names, but there are several called {name}"


class CommandSettings(Section):
    """What the commands for people need: from this component's file, or from the one of `hubwatch up`, where it stands
    under [alarms]. What else such a file holds is checked by those it is for.
    """

    model_config = ConfigDict(extra="ignore")

    database: DatabaseSection = Field(default_factory=DatabaseSection)
    shelving: ShelvingSection = Field(default_factory=ShelvingSection)
    expecting: ExpectingSection = Field(default_factory=ExpectingSection)
    instructions_file: Path | None = None
    priorities_file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_the_hubs_file(cls, tree: dict[str, Any]) -> dict[str, Any]:
        own = tree.get("alarms")
        return {**own, **tree} if isinstance(own, dict) else tree
