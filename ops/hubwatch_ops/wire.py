"""`hubwatch wire`: what goes over the wire, made readable."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from hubwatch_core import topics
from hubwatch_core.errors import Permanent, Poison
from hubwatch_core.message import Message
from hubwatch_core.packed_frame import PackedFrame, decode, is_packed
from hubwatch_core.packing import unpacked
from hubwatch_core.plain_text import escaped_json, one_line
from hubwatch_core.process import border
from hubwatch_core.signing import opened, wrapped
from hubwatch_core.terminal import hand_over, say
from hubwatch_core.topics import Leaf
from hubwatch_core.wire import MAX_FRAME_BYTES

PROOF_MARK = wrapped(b"", "")[:-1]
"""Begins the line that holds the proof of the frame behind it."""
_SOMETHING = re.compile(rb"[^ \t\r\n]")

app = typer.Typer(name="wire", help="What agents send, made readable.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Keep `cat` a command of its own."""


@app.command()
@border
def cat(
    file: Annotated[
        Path | None, typer.Argument(help="File with frames; `-` for standard input. Without it: the broker.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="TOML file with the section `mqtt` of the broker.")
    ] = None,
    hub: Annotated[str, typer.Option(help="Frames of this hub only.")] = "+",
    agent: Annotated[str, typer.Option(help="Frames of this agent only.")] = "+",
    most: Annotated[int, typer.Option("-n", min=1, help="End after so many frames.")] = 1_000_000_000,
) -> None:
    """Print frames of either version as lines of JSON, from a file, standard input or the broker.

    A file holds frames one after the other: packed ones as they are, those of JSON each on a line. What cannot be read
    is said on standard error; the exit code is then 1.
    """
    if file is None:
        import asyncio

        from hubwatch_core.config import LogSection
        from hubwatch_core.logs import configure
        from hubwatch_ops.wire_listening import listen

        configure(LogSection(level="warning"))
        asyncio.run(listen(config, topics.ROOT + f"/{hub}/{agent}/{Leaf.FRAME}", most, printed))
        return
    data = _read(file)
    bad = 0
    for number, payload in enumerate(frames_in(data), 1):
        if number > most:
            break
        bad += not printed(payload, f"frame {number}")
    if bad:
        raise typer.Exit(1)


def printed(payload: bytes, where: str) -> bool:
    """Print a frame as a line of JSON; return False, and say why, when it is none."""
    try:
        hand_over(line_of(payload))
    except Poison as poison:
        say(f"{one_line(where)}: {poison.reason}", err=True)
        return False
    return True


def line_of(payload: bytes) -> str:
    """Return a frame, signed or not, as a line of version 1, which replay takes; raises Poison when it is none.

    The key `packed` says that it was one of version 2.
    """
    frame = decode(opened(Message("", payload, 0, False, 0, 0)).payload)
    if not isinstance(frame, PackedFrame):
        return escaped_json(msgspec.json.encode(frame).decode()) + "\n"
    whole = msgspec.to_builtins(unpacked(frame)) | {"packed": True}
    return escaped_json(msgspec.json.encode(whole).decode()) + "\n"


def frames_in(data: bytes) -> Iterator[bytes]:
    """Return the frames that stand in a file, one after the other."""
    at = _begin(data, 0)
    while at < len(data):
        # A proof is a line before its frame.
        start = data.find(b"\n", at) + 1 if data.startswith(PROOF_MARK, at) else at
        end = _end(data, max(start, at))
        yield data[at:end]
        at = _begin(data, end)


def _begin(data: bytes, at: int) -> int:
    """Return where the next frame begins, from there on."""
    found = _SOMETHING.search(data, at)
    return found.start() if found else len(data)


def _end(data: bytes, at: int) -> int:
    """Return where the frame ends that begins there; all of it, where that cannot be told."""
    if not is_packed(data[at : at + 1]):
        line = data.find(b"\n", at)
        return len(data) if line < 0 else line
    first = memoryview(data)[at : at + MAX_FRAME_BYTES + 1]
    try:
        msgspec.msgpack.decode(first, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        place = str(error).rpartition("trailing characters (byte ")[2].rstrip(")")
        return at + int(place) if place.isdecimal() else len(data)
    return len(data)


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Permanent(f"{file} cannot be read: {error.strerror}") from None
