"""`hubwatch sign / verify`: what a hub gives out, and the proof that it is still what the hub gave out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubwatch_core.errors import BadCall
from hubwatch_core.plain_text import is_text, one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say

EXIT_CHANGED = 5
MOST_SHOWN = 20
LONGEST = 200

Given = Annotated[Path, typer.Argument(metavar="FILE", help="A file, or a folder with all that is in it.")]


@border
def sign(
    file: Given,
    key: Annotated[Path, typer.Option("--sign-key", help="File with the hub's Ed25519 key (PEM), as for backups.")],
    what: Annotated[str, typer.Option("--what", help="What it is; is signed too.")] = "recording",
) -> None:
    """Sign a recording, or anything else that is given out. The signature is a file beside it, or in the folder."""
    from hubwatch_core.signed_files import sign as sign_files

    if not is_text(what) or not what.strip() or len(what) > LONGEST:
        raise BadCall(f"--what must say it in at most {LONGEST} characters of text")
    say(f"signed: {sign_files(file, what.strip(), key)}")


@border
def verify(
    file: Given,
    trusted: Annotated[Path, typer.Option("--trusted-key", help="File with the hub's public key (PEM).")],
) -> None:
    """Check that a file, or all of a folder, is what a hub has signed; needs no database and no network.

    Exit code 5 when something was changed, is gone or was added.
    """
    from hubwatch_core.signed_files import check

    said, faults = check(file, trusted)
    say(f"{one_line(said.what)}, signed {said.said:%F %T}Z: {len(said.files)} files")
    for fault in faults[:MOST_SHOWN]:
        say(fault)
    if len(faults) > MOST_SHOWN:
        say(f"and {len(faults) - MOST_SHOWN} more")
    if faults:
        raise typer.Exit(EXIT_CHANGED)
    say("everything is as it was signed")
