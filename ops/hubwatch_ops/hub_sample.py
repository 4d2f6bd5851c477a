"""The sample of a hub's configuration, put together from the samples of its components.

Each component's `sample.toml` stays the one place where a key is explained; here its tables get the component's name
before theirs, and what all share stands once.
"""

from __future__ import annotations

import re
from importlib import resources

HEAD = """\
# Configuration of `hubwatch up`: collector, detectors and alarms in one process.
# HUBWATCH_SECTION__KEY in the environment goes before this file. Every key is optional; what is commented out is the
# default, or an example where there is none.
"""
COMPONENTS = ("collector", "detectors", "alarms")

_HEADER = re.compile(r"^(?P<comment>(?:# )?)(?P<open>\[{1,2})(?P<name>[a-z_]+)(?P<rest>[^\]]*\]{1,2})", re.MULTILINE)


def hub_sample(shared: tuple[str, ...]) -> str:
    """Give the sample; tables whose names are in `shared` are taken once, from the first component that has them."""
    seen: set[str] = set()
    common: list[str] = []
    own: list[str] = []
    for component in COMPONENTS:
        top, tables = _split(_sample(component))
        own.append(_without_head(top, component))
        mine: set[str] = set()
        for name, text in tables:
            if name not in shared:
                own.append(_HEADER.sub(rf"\g<comment>\g<open>{component}.\g<name>\g<rest>", text, count=1))
            elif name not in seen:
                mine.add(name)
                common.append(text)
        seen |= mine
    blocks = [HEAD, *common, *own]
    return "\n".join(block.strip("\n") + "\n" for block in blocks if block.strip())


def _sample(component: str) -> str:
    return (resources.files(f"hubwatch_{component}") / "sample.toml").read_text(encoding="utf-8")


def _split(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Take a sample apart: what stands above the first table, and each table with the comments above its header."""
    starts = [(_above(text, match.start()), match["name"]) for match in _HEADER.finditer(text)]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    top = text[: starts[0][0]] if starts else text
    return top, [(name, text[start:end]) for (start, name), end in zip(starts, ends, strict=True)]


def _above(text: str, start: int) -> int:
    """Go up from a header over the comments that belong to it, to the blank line before them."""
    blank = text.rfind("\n\n", 0, start)
    return 0 if blank < 0 else blank + 2


def _without_head(top: str, component: str) -> str:
    """Put a component's own top keys under a table of its name; its headline is left out."""
    paragraphs = [each for each in top.split("\n\n")[1:] if each.strip()]
    return "\n\n".join([f"[{component}]", *paragraphs]) if paragraphs else ""
