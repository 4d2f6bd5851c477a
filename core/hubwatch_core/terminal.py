"""What commands print: the one way to a terminal, so that nothing from elsewhere can steer it.

Names of topics, reasons, notes, badges, what a server answers: all of it may be hostile. Commands print through here
only (a test holds that), and everything unprintable comes out as an escape.
"""

from __future__ import annotations

import sys
from typing import TextIO

import typer

from hubwatch_core.plain_text import escaped, escaped_json


def say(text: object = "", *, err: bool = False) -> None:
    """Print a line, or lines; on standard error with `err`."""
    typer.echo(escaped(str(text)), err=err)


def say_json(text: str) -> None:
    """Print JSON that was made elsewhere: what cannot be printed comes out as a JSON escape."""
    typer.echo(escaped_json(text))


def hand_over(text: str) -> None:
    """Print the content of a file: on a terminal escaped, as it is where another program or a file takes it."""
    typer.echo(escaped(text) if sys.stdout.isatty() else text, nl=False)


def rewrite_line(text: str, stream: TextIO, *, over: int, end: str) -> None:
    """Print `text` over the line of `over` characters that stands there."""
    stream.write("\r" + escaped(text).ljust(over) + end)
    stream.flush()
