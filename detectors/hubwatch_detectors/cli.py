"""`hubwatch detectors`: run the component, and try it on recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core import tables
from hubwatch_core.process import border
from hubwatch_core.terminal import hand_over, say, say_json
from hubwatch_detectors import budget_cli, fitting_cli, judging_cli, proposing_cli

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hubwatch_detectors.contract import Site
    from hubwatch_detectors.settings import RulesSection
    from hubwatch_site import HubSite

app = typer.Typer(name="detectors", help="Detectors: run, list, replay a recording.", no_args_is_help=True)

app.command()(budget_cli.budget)
app.command()(judging_cli.evaluate)
app.command()(judging_cli.explain)
app.command()(fitting_cli.fit)
app.command()(proposing_cli.propose)

ConfigOption = typer.Option("-c", "--config", help="The component's TOML file.")


@app.command()
@border
def run(config: Annotated[Path, ConfigOption]) -> None:
    """Judge what agents send and store what is found, until SIGTERM or Ctrl-C."""
    from hubwatch_core.config.load import load
    from hubwatch_core.garbage import collect_seldom
    from hubwatch_core.process import serve
    from hubwatch_detectors.service import parts
    from hubwatch_detectors.settings import DetectorsSettings

    collect_seldom()
    settings = load(DetectorsSettings, config, check_files=True)
    code = serve("detectors", lambda context: parts(settings, context), telemetry=settings.telemetry, log=settings.log)
    raise typer.Exit(code)


@app.command("check-config")
@border
def check_config(file: Annotated[Path, typer.Argument(help="The TOML file to check.")]) -> None:
    """Check a configuration whole, without connecting to anything."""
    from hubwatch_core.config.load import load
    from hubwatch_detectors.settings import DetectorsSettings

    rules = load(DetectorsSettings, file, check_files=True).rules()
    running = [name for name, config in rules.configs.items() if config.enabled]
    say(f"{file} is valid; detectors: {', '.join(sorted(running)) or 'none'}")


@app.command("sample-config")
def sample_config() -> None:
    """Print a commented configuration to begin with."""
    from importlib import resources

    hand_over(resources.files("hubwatch_detectors").joinpath("sample.toml").read_text(encoding="utf-8"))


@app.command("list")
@border
def list_(
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="The component's or the hub's TOML file; asks the database.")
    ] = None,
) -> None:
    """List the detectors: what each finds and how, for which sensors, its parameters, and what of the site it misses.

    With -c the parameters are those of the file, and each hub of the database is compared with what detectors need.
    """
    from hubwatch_core.config.load import load
    from hubwatch_detectors.listing import ListSettings, hubs_known, lines_of

    settings = load(ListSettings, config)
    rules = settings.rules()
    known = {} if config is None else hubs_known(settings)
    for spec in rules.specs:
        for line in lines_of(spec, rules.configs[spec.name], known):
            say(line)
        say()


@app.command()
@border
def replay(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A recording (NDJSON of births and frames); - is stdin.")
    ],
    config: Annotated[Path | None, ConfigOption] = None,
    site: Annotated[
        list[Path] | None, typer.Option(help="The site's TOML file; once for each hub of the recording.")
    ] = None,
    shift: Annotated[
        float,
        typer.Option(metavar="DAYS", help="Judge it as if it were so many days later, for one from before 2010."),
    ] = 0.0,
) -> None:
    """Judge a recording and print its detections as NDJSON, each with its end, and the highest score up to it."""

    from hubwatch_core.errors import Permanent
    from hubwatch_core.time_limits import DAY_US
    from hubwatch_core.wire import encode
    from hubwatch_detectors.engine import Engine
    from hubwatch_detectors.replay import Replay, lines_of

    playing = Replay(Engine(_rules(config).rules(_site(site or []))), shift_us=round(shift * DAY_US))
    with lines_of(file) as lines:
        for detection in playing.run(_shown(lines, file)):
            say_json(encode(detection).decode())
    for number, reason in playing.poison:
        say(f"{file}:{number}: {reason}", err=True)
    if playing.unusable > len(playing.poison):
        say(f"{file}: {playing.unusable} lines could not be read; these are the first of them", err=True)
    if playing.lines and playing.unusable == playing.lines:
        raise Permanent(f"{file} is no recording: none of its {playing.lines} lines could be read")


def _shown(lines: Iterable[bytes], file: Path) -> Iterator[bytes]:
    """Yield lines, and show a person at a terminal how far it is."""
    from rich.progress import Progress

    console = tables.console(stderr=True)
    size = file.stat().st_size if file.is_file() else None
    with Progress(console=console, transient=True, disable=size is None or not console.is_terminal) as progress:
        task = progress.add_task(file.name, total=size)
        for line in lines:
            yield line
            progress.advance(task, len(line))


def _site(files: Sequence[Path]) -> Site:
    """Return what files say of hubs. Raises ConfigError with every mistake, BadCall for two files of one hub."""
    from hubwatch_core.errors import BadCall
    from hubwatch_detectors.contract import Site
    from hubwatch_site import load_site

    hubs: dict[str, HubSite] = {}
    for file in files:
        site = load_site(file)
        if site.hub.id in hubs:
            raise BadCall(f"--site {file}: hub {site.hub.id} has a site already")
        hubs[site.hub.id] = site
    return Site(hubs=hubs)


def _rules(config: Path | None) -> RulesSection:
    from hubwatch_core.config.load import load
    from hubwatch_detectors.settings import DetectorsSettings

    return load(DetectorsSettings, config)
