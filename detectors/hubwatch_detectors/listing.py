"""What `hubwatch detectors list` says of each detector, and of what it misses at each hub."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ConfigDict, model_validator

from hubwatch_core.errors import ConfigError
from hubwatch_detectors.contract import DetectorConfig, Scope, Spec
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_site import HubSite, parse_site
from hubwatch_site.needs import HubKnown, Need, missing, needs_of
from hubwatch_store.database import check_schema, connect_sync
from hubwatch_store.site import announced, count_people, hubs, in_force

WIDTH = 11


class ListSettings(DetectorsSettings):
    """The file of detectors, or that of `hubwatch up`, where theirs stands under [detectors]."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _from_the_hubs_file(cls, tree: dict[str, Any]) -> dict[str, Any]:
        own = tree.get("detectors")
        return {**tree, **own} if isinstance(own, dict) else tree


def lines_of(spec: Spec[Any], config: DetectorConfig, known: Mapping[str, HubKnown]) -> Iterator[str]:
    """Yield what there is to say of a detector; `known` is what is known of hubs, empty without a database."""
    yield f"{spec.name} {spec.version}" + ("" if config.enabled else "  (switched off)")
    yield _line("finds", ", ".join(spec.types))
    yield _line("looks at", looks_at(spec))
    yield _line("method", method(spec))
    if spec.source:
        yield _line("source", spec.source)
    if spec.warm_up:
        yield _line("warm-up", spec.warm_up)
    yield _line("parameters", _parameters(config) or "none")
    for hub, facts in sorted(known.items()):
        for what in missing(_needs(spec), _seen_by(spec, facts)):
            yield _line("misses", f"{hub}: {what}")


def looks_at(spec: Spec[Any]) -> str:
    """Return in words which sensors a detector looks at."""
    if spec.scope is Scope.AGENT:
        return "all sensors, and agents"
    kinds = ", ".join(sorted(spec.kinds)) if spec.kinds is not None else "all"
    return f"{kinds} sensors" + ("" if spec.channel_kind is None else f" with a {spec.channel_kind} channel")


def method(spec: Spec[Any]) -> str:
    """Return what a detector does, as its module begins."""
    module = inspect.getmodule(spec.make)
    text = (module.__doc__ if module is not None else None) or ""
    return " ".join(text.strip().partition("\n\n")[0].split())


def hubs_known(settings: DetectorsSettings) -> dict[str, HubKnown]:
    """Return what the database knows of the hubs that are watched. Raises Transient or Permanent."""
    check_schema(settings.database)
    with connect_sync(settings.database, "hubwatch detectors list") as connection:
        return {
            hub: HubKnown(_site(connection, hub), announced(connection, hub), count_people(connection, hub))
            for hub in hubs(connection)
            if not settings.hubs or hub in settings.hubs
        }


def _site(connection: Any, hub: str) -> HubSite | None:
    found = in_force(connection, hub)
    try:
        return None if found is None else parse_site(found.file, f"version {found.version}")
    except ConfigError:
        return None


def _needs(spec: Spec[Any]) -> tuple[Need, ...]:
    return spec.needs if spec.needs is not None else needs_of(spec.kinds or ())


def _seen_by(spec: Spec[Any], known: HubKnown) -> HubKnown:
    seen = [each for each in known.sensors if spec.kinds is None or each.kind in spec.kinds]
    return HubKnown(known.site, seen, known.cardholders)


def _parameters(config: DetectorConfig) -> str:
    values = config.model_dump(mode="json", exclude={"enabled"})
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def _line(head: str, text: str) -> str:
    return f"  {head:<{WIDTH}}{text}"
