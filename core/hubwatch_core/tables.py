"""Tables on a terminal, in which texts hold nothing but text.

Apart from `terminal`, because rich takes memory that an agent on a gateway does not have to spare.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from hubwatch_core.plain_text import escaped


def console(*, stderr: bool = False, soft_wrap: bool = False, markup: bool = False) -> Console:
    """Return a terminal for tables; colours only where it has them.

    With `markup` square brackets in strings are styles: only for texts that are all our own.
    """
    return PlainConsole(stderr=stderr, soft_wrap=soft_wrap, markup=markup, emoji=False)


class PlainConsole(Console):
    """A console whose styles are ours: an escape sequence inside a text is shown, not obeyed."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, with every text escaped before its width counts."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control or text == "\n" or text.isprintable():
                yield segment
            else:
                yield Segment(escaped(text), style)
