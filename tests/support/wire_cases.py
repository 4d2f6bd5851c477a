"""The payloads of `tests/cases/wire/`, for the tests of the format and of whoever must survive its poison."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

from hubwatch_core import wire

FOLDER = Path(__file__).parents[1] / "cases" / "wire"

Decoded = wire.Frame | wire.Birth | wire.Detection

DECODERS: dict[str, Callable[[bytes], Decoded]] = {
    "frame": wire.decode_frame,
    "birth": wire.decode_birth,
    "detection": wire.decode_detection,
}
"""The first word of a case's name tells which decoder it is for."""


def payloads(folder: str) -> list[Path]:
    """Return the payload files of a folder (`golden`, `tolerated`, `poison`)."""
    return sorted(path for path in (FOLDER / folder).glob("*.json") if not path.name.endswith(".decoded.json"))


def poison_reasons() -> dict[str, str]:
    """Return what the reason of each poison message must say, by the name of its file."""
    return dict(tomllib.loads((FOLDER / "poison" / "reasons.toml").read_text(encoding="utf-8")))


def decode(path: Path) -> Decoded:
    """Decode a payload file with the decoder its name asks for."""
    return DECODERS[path.name.partition("-")[0]](path.read_bytes())
