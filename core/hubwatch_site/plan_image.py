"""Is a picture fit to be shown inside our pages? An SVG may run scripts and fetch from elsewhere: such are refused."""

from __future__ import annotations

import re
from xml.parsers import expat

MAX_BYTES = 4 << 20
MAX_ELEMENTS = 100_000
PNG_BEGINS = b"\x89PNG\r\n\x1a\n"
SVG = "http://www.w3.org/2000/svg"
DRAWS = frozenset(
    {
        "svg", "g", "defs", "symbol", "use", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text",
        "tspan", "title", "desc", "metadata", "clipPath", "mask", "linearGradient", "radialGradient", "stop", "pattern",
        "marker", "style", "switch",
    }
)  # fmt: skip
"""Elements that draw; what runs, fetches, moves or embeds (script, image, foreignObject, animate, …) is none."""
_LINKS = frozenset({"href", "src", "base"})
_FETCHES = re.compile(r"url\s*\(\s*['\"]?\s*(?!#)|@import|expression\s*\(|javascript:|\\", re.IGNORECASE)


def fault_of_image(name: str, data: bytes) -> str | None:
    """Return why a picture is not shown, None when it may be."""
    if len(data) > MAX_BYTES:
        return f"is larger than {MAX_BYTES >> 20} MiB"
    if name.lower().endswith(".png"):
        return None if data.startswith(PNG_BEGINS) else "is no PNG"
    return _Svg().fault(data)


class _Refused(Exception):
    """The picture has something that it may not have."""


class _Svg:
    """Reads an SVG and stops at the first thing that it may not have."""

    def __init__(self) -> None:
        self._elements = 0
        self._inside = ""

    def fault(self, data: bytes) -> str | None:
        """Return what it has that it may not have."""
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._declaration
        parser.ProcessingInstructionHandler = self._declaration
        try:
            parser.Parse(data, True)
        except _Refused as error:
            return str(error)
        except (expat.ExpatError, ValueError) as error:
            return f"is no XML: {error}"
        return None

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        space, _, name = tag.rpartition("}")
        self._elements += 1
        self._inside = name
        if self._elements == 1 and (space, name) != (SVG, "svg"):
            raise _Refused("is no SVG")
        if space in {SVG, ""} and name not in DRAWS:
            raise _Refused(f"has an element <{name[:40]}>, which may not be in a plan")
        if self._elements > MAX_ELEMENTS:
            raise _Refused(f"has more than {MAX_ELEMENTS} elements")
        for key, value in attributes.items():
            self._attribute(key.rpartition("}")[2].lower(), value)

    def _attribute(self, name: str, value: str) -> None:
        if name.startswith("on"):
            raise _Refused(f"has a script ({name[:40]})")
        if name in _LINKS and not value.strip().startswith("#"):
            raise _Refused(f"links to something outside itself ({name})")
        if _FETCHES.search(value):
            raise _Refused(f"fetches something from outside itself ({name[:40]})")

    def _end(self, _: str) -> None:
        self._inside = ""

    def _text(self, text: str) -> None:
        if self._inside == "style" and _FETCHES.search(text):
            raise _Refused("fetches something from outside itself (style)")

    def _declaration(self, *_: object) -> None:
        raise _Refused("has a DOCTYPE or a processing instruction, which a plan needs none of")
