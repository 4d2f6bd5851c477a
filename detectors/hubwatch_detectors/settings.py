"""Settings of the detectors process: where input comes from and findings go, and how each detector judges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, create_model

from hubwatch_core.config import (
    ConfigId,
    Conflict,
    LogSection,
    MqttSection,
    NatsSection,
    Partial,
    Section,
    TelemetrySection,
    validate,
)
from hubwatch_detectors.contract import DetectorConfig, Site, Spec
from hubwatch_detectors.engine import EngineConfig, Rules
from hubwatch_detectors.registry import TABLE, specs
from hubwatch_detectors.sharing import BudgetSection
from hubwatch_store.database import DatabaseSection


def _between_budgets(parts: Partial[Any]) -> Iterator[Conflict]:
    """Each hub has one budget, and weights are of detectors that have a rate to set."""
    have_rates = [spec.name for spec in specs() if spec.rates]
    seen: set[str] = set()
    for index, each in parts.every("budgets"):
        hub = each.get("hub")
        if hub in seen:
            yield ("budgets", index, "hub"), f"hub {hub} has a budget already"
        seen.add(hub)
        for name in each.get("weights") or ():
            if name not in have_rates:
                yield ("budgets", index, "weights", name), f"no rate to share: it may be {', '.join(have_rates)}"


class _SharedRules(Section):
    """What every detector judges by, and the detectors of other distributions."""

    gone: ClassVar[Mapping[str, str]] = {
        "neighbours": "what lies behind what is said by the fences of the site; "
        "`hubwatch site draft --neighbours FILE > site.toml` writes them from this file"
    }

    engine: EngineConfig = EngineConfig()
    budgets: tuple[BudgetSection, ...] = Field(
        (), max_length=1000, description="Hubs whose staff have said how many false alarms they accept."
    )
    plugins: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Sections of detectors that come with other distributions, by their name."
    )

    @classmethod
    def conflicts_between(cls, parts: Partial[Any]) -> Iterator[Conflict]:
        """A section under `plugins` is of a detector that is installed, and right by what that one says."""
        others = {spec.name: spec for spec in specs() if spec.name not in cls.model_fields}
        for name, section in (parts.get("plugins") or {}).items():
            if name not in others:
                yield ("plugins", name), f"no detector of another distribution is called {name}"
                continue
            for mistake in validate(others[name].config, section)[1]:
                yield ("plugins", name, *mistake.path), mistake.message
        yield from _between_budgets(parts)

    def rules(self, site: Site | None = None) -> Rules:
        """Return what the engine works by, with the `site` it begins with."""
        every = specs()
        return Rules(
            specs=every,
            configs={spec.name: self._config_of(spec) for spec in every},
            engine=self.engine,
            site=site or Site(),
        )

    def _config_of(self, spec: Spec[Any]) -> DetectorConfig:
        own = getattr(self, spec.name, None)
        if isinstance(own, DetectorConfig):
            return own
        config = spec.config.model_validate(self.plugins.get(spec.name, {}))
        if not isinstance(config, DetectorConfig):
            raise TypeError(f"the configuration of {spec.name} is no DetectorConfig")
        return config


if TYPE_CHECKING:

    class RulesSection(_SharedRules):
        """What is found, and when: one section for each detector."""

        def __getattr__(self, name: str) -> Any: ...

else:
    RulesSection = create_model(
        "RulesSection",
        __base__=_SharedRules,
        __doc__="What is found, and when: one section for each detector, by its name in the table.",
        **{spec.name: (spec.config, Field(default_factory=spec.config)) for spec in TABLE},
    )


class DetectorsSettings(RulesSection):
    """The configuration file of `hubwatch detectors run`."""

    renamed: ClassVar[Mapping[str, str]] = {"unsaved_most": "max_unsaved"}

    name: ConfigId = Field("detectors", description="Name of this process at broker and database; one for each.")
    hubs: tuple[ConfigId, ...] = Field((), description="Hubs this process watches; empty for all.")
    save_every_s: Annotated[float, Field(gt=0, le=60)] = Field(
        1.0, description="How often frames are stored and acknowledged; findings are saved at once."
    )
    snapshot_every_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        60.0,
        description="How often the state of each hub is saved; after a crash the frames since then are judged again.",
    )
    max_unsaved: Annotated[int, Field(ge=1, le=60_000)] = Field(
        4000, description="Messages taken ahead while the database is away; keep it below mqtt.max_in_flight."
    )
    signatures: Literal["off", "report", "require"] = Field(
        "off",
        description="Whether births and frames must be signed, as `intake.signatures` of the collectors; with report "
        "what is not is judged all the same. Collectors tell of it.",
    )
    claims: Literal["share", "refuse"] = Field(
        "share",
        description="What becomes of a sensor that another agent has, as `intake.claims` of the collectors; refuse: "
        "what the other says of it is not judged.",
    )
    mqtt: MqttSection = MqttSection()
    nats: NatsSection | None = Field(None, description="With it messages come from JetStream instead of [mqtt].")
    database: DatabaseSection = DatabaseSection()
    telemetry: TelemetrySection = TelemetrySection()
    log: LogSection = LogSection()
