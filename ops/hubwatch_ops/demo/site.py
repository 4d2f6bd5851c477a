"""The demo's site: its file, put in force before anything runs, and its plan as a picture."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from hubwatch_site.drawing import draw
from hubwatch_site.file import parse_partly
from hubwatch_store.database import DatabaseSection, connect_sync
from hubwatch_store.site import apply


def site_text() -> str:
    """Return the site of the simulated hub, as a file."""
    return resources.files("hubwatch_ops.demo").joinpath("site.toml").read_text(encoding="utf-8")


def describe(folder: Path, settings: DatabaseSection, plan: Path | None) -> Path:
    """Write the site's file into the demo's folder, put it in force and draw its plan; return where the plan is.

    Raises ConfigError for a site with mistakes, Transient when the database is away.
    """
    file, picture = folder / "site.toml", plan or folder / "plan.svg"
    text = site_text()
    file.write_text(text, encoding="utf-8")
    with connect_sync(settings, "hubwatch demo") as connection:
        apply(connection, text, by="demo", note="the simulated hub", where=str(file))
    part, problems = parse_partly(text, str(file))
    picture.write_text(draw(part, problems), encoding="utf-8")
    return picture
