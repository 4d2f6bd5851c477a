"""`hubwatch site`: what stands where at a hub; check it, draw it, put it in force."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubwatch_core.errors import BadCall, ConfigError, Permanent, Problem
from hubwatch_core.plain_text import escaped, one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import hand_over, say, say_json
from hubwatch_ops.cardholders import app as cardholders_app
from hubwatch_ops.database.options import By, ConfigFile, Dsn
from hubwatch_ops.site_database import Hub, connection_to, hub_meant

if TYPE_CHECKING:
    from hubwatch_site import HubSite, Neighbour
    from hubwatch_store.site import Version

app = typer.Typer(name="site", help="The site: what stands where at a hub.", no_args_is_help=True)
app.add_typer(cardholders_app)

SiteFile = Annotated[Path, typer.Argument(metavar="FILE", help="The site's TOML file.")]
Number = Annotated[int | None, typer.Option("--version", min=1, help="A version of it; without it the one in force.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command()
@border
def sample() -> None:
    """Print a commented example to begin with."""
    from importlib import resources

    hand_over(resources.files("hubwatch_site").joinpath("sample.toml").read_text(encoding="utf-8"))


@app.command()
@border
def draft(
    hub: Hub = None,
    neighbours: Annotated[
        Path | None, typer.Option(help="A configuration that still has `neighbours`: they become fences.")
    ] = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Print a file drafted from what agents have announced; what only people know stands in it as comments."""
    from hubwatch_site import draft as drafted
    from hubwatch_site.former_pairs import former_pairs
    from hubwatch_store.site import announced

    pairs = former_pairs(neighbours) if neighbours is not None else ()
    if neighbours is not None and config is None and dsn is None:
        name, sensors = _hub_of(pairs, hub), []
    else:
        with connection_to(config, dsn) as connection:
            name = hub_meant(connection, hub)
            sensors = announced(connection, name)
        if not sensors:
            raise Permanent(f"no agent of hub {name} has announced a sensor yet")
    hand_over(drafted(name, sensors, pairs))
    others = sorted({pair.hub for pair in pairs} - {name})
    if others:
        say(f"pairs of {', '.join(others)} are left out: draft those hubs with --hub", err=True)


@app.command()
@border
def check(file: SiteFile, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Find every mistake of a file; with -c also sensors that it names and nobody reads, and the other way round."""
    from hubwatch_site import load_site
    from hubwatch_store.site import announced

    site = load_site(file)
    if config is None and dsn is None:
        say(f"{file} is right: {_contents(site)}")
        return
    with connection_to(config, dsn) as connection:
        known = {each.sensor for each in announced(connection, site.hub.id)}
    unread, unnamed = sorted(site.sensor_names() - known), sorted(known - site.sensor_names())
    for name in unnamed:
        say(f"{name} is read, and the site does not say where it is")
    if unread:
        raise ConfigError([Problem(str(file), "", f"{name} is named here, and no agent reads it") for name in unread])
    say(f"{file} is right: {_contents(site)}; every sensor that it names is read")


@app.command()
@border
def apply(
    file: SiteFile,
    note: Annotated[str, typer.Option("--note", help="Why; stands in the history.")],
    by: By = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Put a file in force, as one new version or not at all."""
    from hubwatch_site import load_site
    from hubwatch_store.site import apply as put_in_force
    from hubwatch_store.users import check_no_directory

    load_site(file)
    text = file.read_text(encoding="utf-8-sig")
    if by is None:
        _apply_over_api(text, note)
        return
    with connection_to(config, dsn) as connection:
        check_no_directory(connection)
        done = put_in_force(connection, text, by=by, note=note, where=str(file))
    _say_applied(done.hub, done.version, done.is_new, done.written, done.removed)


def _apply_over_api(text: str, note: str) -> None:
    from hubwatch_core.http.logged_in import somebody

    done = somebody().ask("PUT", "/site", {"file": text, "note": note})
    _say_applied(done["hub"], done["version"], done["new"], done["written"], done["removed"])


def _say_applied(hub: str, version: int, is_new: bool, written: Mapping[str, int], removed: Mapping[str, int]) -> None:
    if not is_new:
        say(f"nothing to do: version {version} of hub {one_line(hub)} is this file")
        return
    say(f"version {version} of hub {one_line(hub)} is in force")
    for verb, counts in (("written", written), ("removed", removed)):
        for table, count in counts.items():
            say(f"  {one_line(table)}: {count} {verb}")


@app.command()
@border
def show(hub: Hub = None, as_json: AsJson = False, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Show what is in force."""
    from hubwatch_site import parse_site

    with connection_to(config, dsn) as connection:
        name = hub_meant(connection, hub)
        found = _version(connection, name, None)
    site = parse_site(found.file, f"version {found.version}")
    if as_json:
        say_json(json.dumps(site.model_dump(mode="json", by_alias=True, exclude_none=True), ensure_ascii=False))
        return
    say(f"{site.hub.name} ({name}, {site.hub.mode}, {site.hub.time_zone})")
    say(f"{_told(found)}\n{_contents(site)}")
    for zone in site.zones:
        say(f"  zone {zone.id}: criticality {zone.criticality}{f', {zone.name}' if zone.name else ''}")


@app.command()
@border
def export(hub: Hub = None, version: Number = None, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Print a version as the file that was applied."""
    with connection_to(config, dsn) as connection:
        hand_over(_version(connection, hub_meant(connection, hub), version).file)


@app.command()
@border
def history(hub: Hub = None, as_json: AsJson = False, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Show every version: who put it in force, when and why."""
    from hubwatch_store.site import history as versions

    with connection_to(config, dsn) as connection:
        found = versions(connection, hub_meant(connection, hub))
    if as_json:
        facts = [
            {"version": v.version, "applied": v.applied.isoformat(), "by": v.by, "note": v.note, "sha256": v.sha256}
            for v in found
        ]
        say_json(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    for each in found:
        say(_told(each))


@app.command()
@border
def diff(
    old: Annotated[int, typer.Argument(min=1, help="A version.")],
    new: Annotated[int | None, typer.Argument(min=1, help="Another; without it the one in force.")] = None,
    hub: Hub = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Show what differs between two versions, line by line."""
    with connection_to(config, dsn) as connection:
        name = hub_meant(connection, hub)
        one, other = _version(connection, name, old), _version(connection, name, new)
    lines = difflib.unified_diff(
        one.file.splitlines(),
        other.file.splitlines(),
        f"version {one.version}",
        f"version {other.version}",
        lineterm="",
    )
    say("\n".join(map(escaped, lines)) or f"versions {one.version} and {other.version} do not differ")


@app.command()
@border
def draw(
    file: SiteFile,
    picture: Annotated[Path, typer.Argument(metavar="SVG", help="Where the picture goes.")],
) -> None:
    """Draw the plan of a file: zones, doors, fences, sensors, and in red what is wrong."""
    from hubwatch_site.drawing import draw as drawn
    from hubwatch_site.file import read_site

    part, problems = read_site(file)
    try:
        picture.write_text(drawn(part, problems), encoding="utf-8")
    except OSError as error:
        raise Permanent(f"{picture} cannot be written: {error.strerror}") from None
    say(f"{picture} is written")
    if problems:
        raise ConfigError(problems)


def _hub_of(pairs: Sequence[Neighbour], name: str | None) -> str:
    """Return the hub that is meant, by the pairs of a file."""
    known = sorted({pair.hub for pair in pairs})
    if name is None and len(known) != 1:
        raise BadCall(f"name the hub with --hub; the file has pairs of: {', '.join(known) or 'none'}")
    return name or known[0]


def _version(connection: Any, hub: str, number: int | None) -> Version:
    from hubwatch_store.site import in_force
    from hubwatch_store.site import version as numbered

    found = in_force(connection, hub) if number is None else numbered(connection, hub, number)
    if found is None:
        raise Permanent(f"hub {hub} has no {'site' if number is None else f'version {number} of its site'}")
    return found


def _told(version: Version) -> str:
    when = version.applied.isoformat(sep=" ", timespec="seconds")
    return f"version {version.version}, {when}, by {one_line(version.by)}: {one_line(version.note)}"


def _contents(site: HubSite) -> str:
    counts = {
        "zones": site.zones, "paths": site.paths, "doors": site.doors, "fences": site.fences, "lanes": site.lanes,
        "sensors": site.sensors, "supplies": site.supplies, "cameras": site.cameras, "shifts": site.shifts,
        "checks": site.checks,
    }  # fmt: skip
    return ", ".join(f"{len(entries)} {name}" for name, entries in counts.items() if entries) or "a hub without zones"
