"""Options that commands at the database share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None, typer.Option("-c", "--config", help="TOML file with a section `database`; others are skipped.")
]
Dsn = Annotated[str | None, typer.Option("--dsn", help="Connection string; goes before the file's.")]
SignKey = Annotated[Path | None, typer.Option("--sign-key", help="File with an Ed25519 key (PEM): sign it with that.")]
By = Annotated[
    str | None,
    typer.Option("--by", help="Who orders it, where the hub has no directory of users; else it is who is logged in."),
]
