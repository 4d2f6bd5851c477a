"""Settings of the detectors process: where input comes from and findings go, and how each detector judges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from hubwatch_core import mistakes
from hubwatch_core.config import ConfigId, LogSection, MqttSection, NatsSection, Section, TelemetrySection
from hubwatch_core.section import Conflict
from hubwatch_detectors.access import AccessConfig
from hubwatch_detectors.contract import DetectorConfig, Neighbour, Site, Spec
from hubwatch_detectors.engine import EngineConfig, Rules
from hubwatch_detectors.frozen import FrozenConfig
from hubwatch_detectors.perimeter import PerimeterConfig
from hubwatch_detectors.presence import PresenceConfig
from hubwatch_detectors.radiation_portal import RadiationPortalConfig
from hubwatch_detectors.registry import specs
from hubwatch_store.config import DatabaseSection


class RulesSection(Section):
    """What is found, and when: one section for each detector."""

    radiation_portal: RadiationPortalConfig = RadiationPortalConfig()
    access: AccessConfig = AccessConfig()
    perimeter: PerimeterConfig = PerimeterConfig()
    frozen: FrozenConfig = FrozenConfig()
    presence: PresenceConfig = PresenceConfig()
    engine: EngineConfig = EngineConfig()
    neighbours: tuple[Neighbour, ...] = Field((), description="Perimeter sections one behind the other.")
    plugins: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Sections of detectors that come with other distributions, by their name."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """A section under `plugins` is of a detector that is installed, and right by what that one says."""
        others = {spec.name: spec for spec in specs() if spec.name not in type(self).model_fields}
        for name, section in self.plugins.items():
            if name not in others:
                yield ("plugins", name), f"no detector of another distribution is called {name}"
                continue
            for mistake in mistakes.find(others[name].config, section).mistakes:
                yield ("plugins", name, *mistake.path), mistake.message

    def rules(self) -> Rules:
        """Give what the engine works by."""
        every = specs()
        return Rules(
            specs=every,
            configs={spec.name: self._config_of(spec) for spec in every},
            presence=self.presence,
            engine=self.engine,
            site=Site(self.neighbours),
        )

    def _config_of(self, spec: Spec[Any]) -> DetectorConfig:
        own = getattr(self, spec.name, None)
        if isinstance(own, DetectorConfig):
            return own
        config = spec.config.model_validate(self.plugins.get(spec.name, {}))
        if not isinstance(config, DetectorConfig):
            raise TypeError(f"the configuration of {spec.name} is no DetectorConfig")
        return config


class Settings(RulesSection):
    """The configuration file of `hubwatch detectors run`."""

    name: ConfigId = Field("detectors", description="Name of this process at broker and database; one for each.")
    hubs: tuple[ConfigId, ...] = Field((), description="Hubs this process watches; empty for all.")
    save_every_s: Annotated[float, Field(gt=0, le=60)] = Field(
        1.0, description="How often state is saved and frames are acknowledged; findings are saved at once."
    )
    unsaved_most: Annotated[int, Field(ge=1, le=60_000)] = Field(
        4000, description="Messages taken ahead while the database is away; keep it below mqtt.receive_maximum."
    )
    mqtt: MqttSection = MqttSection()
    nats: NatsSection | None = Field(None, description="With it messages come from JetStream instead of [mqtt].")
    database: DatabaseSection = DatabaseSection()
    telemetry: TelemetrySection = TelemetrySection()
    log: LogSection = LogSection()
