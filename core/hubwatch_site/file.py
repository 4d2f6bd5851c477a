"""Reads the file of a site: every mistake at once, each with file and key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hubwatch_core.config import Partial, in_file_order, key_of, validate
from hubwatch_core.errors import ConfigError, Problem
from hubwatch_site.model import HubSite
from hubwatch_site.plan_image import MAX_BYTES as MAX_IMAGE_BYTES
from hubwatch_site.plan_image import fault_of_image

MAX_BYTES = 8 << 20


def load_site(file: Path) -> HubSite:
    """Return the site in a file, the picture of its plan checked. Raises ConfigError with every mistake."""
    part, problems = read_site(file)
    if problems or part.valid is None:
        raise ConfigError(problems)
    return part.valid


def read_site(file: Path) -> tuple[Partial[HubSite], list[Problem]]:
    """Return what is right in a file, and every mistake. Raises ConfigError when it cannot be read at all."""
    part, problems = parse_partly(text_of(file), str(file))
    plan = part.get("plan")
    if plan is not None and plan.image is not None:
        fault = _fault(file.parent / plan.image)
        if fault is not None:
            problems.append(Problem(str(file), "plan.image", f"{plan.image} {fault}"))
    return part, problems


def parse_site(text: str, where: str) -> HubSite:
    """Return the site in the text of a file that was read before. Raises ConfigError with every mistake."""
    part, problems = parse_partly(text, where)
    if problems or part.valid is None:
        raise ConfigError(problems)
    return part.valid


def parse_partly(text: str, where: str) -> tuple[Partial[HubSite], list[Problem]]:
    """Return what is right in a text, and every mistake. Raises ConfigError when it is no TOML."""
    try:
        tree: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError([Problem(where, "", f"is not valid TOML: {error}")]) from None
    part, mistakes = validate(HubSite, tree)
    problems = [Problem(where, key_of(each.path), each.message) for each in mistakes]
    return part, in_file_order(problems, tree)


def text_of(file: Path, max_bytes: int = MAX_BYTES) -> str:
    """Return the text of a file. Raises ConfigError when it cannot be read, or is too long."""
    try:
        with file.open("rb") as stream:
            data = stream.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise ConfigError([Problem(str(file), "", f"is longer than {max_bytes >> 20} MiB")])
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem(str(file), "", f"cannot be read: {error.strerror or error}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(file), "", "is not UTF-8 text")]) from None


def _fault(image: Path) -> str | None:
    try:
        with image.open("rb") as stream:
            data = stream.read(MAX_IMAGE_BYTES + 1)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return fault_of_image(image.name, data)
