"""The page behind a message's link: what it told of and one button, in the console's look, without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from hubwatch_alarms.message import where
from hubwatch_console.access import parts_of
from hubwatch_console.pages.language import marked as _
from hubwatch_console.pages.refusals import in_language
from hubwatch_console.pages.rendering import Page, render, without_commands
from hubwatch_core.alarm import Alarm

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""No script at all: whoever has the link needs none."""
NO_LINK = _("This link is not valid. Log in to see the alarm.")
USED = _("This link was used before.")
OVER = _("The time of this link is over. Log in to see the alarm.")
NONE_WAITS = _("None of these alarms waits for you.")
SURPASSED = _("The alarm has become more urgent since: use the newest message.")
HELD = _("%(who)s has it already. Log in to reset it.")
YOURS, YOURS_ALREADY = _("You have it now."), _("It was yours already.")
SOME = _("You have %(some)s of the %(all)s alarms of this message now.")
TAKE, TAKE_ALL = _("Acknowledge as %(who)s"), _("Acknowledge all %(many)s as %(who)s")
AND_MORE = _("%(title)s, and %(more)s more")
NOT_VALID, NOTHING, DONE = _("Not valid"), _("Nothing changed"), _("Acknowledged")


class Phrase(str):
    """A sentence with places, filled in and in English, that knows how it is translated."""

    __slots__ = ("message", "values")

    message: str
    values: dict[str, str]

    def __new__(cls, message: str, **values: str) -> Phrase:
        """Return a sentence with its places filled in."""
        made = super().__new__(cls, message % values)
        made.message, made.values = message, values
        return made


@dataclass(frozen=True, slots=True)
class LinkedAlarm:
    """An alarm that the message told of, as it stands."""

    alarm: Alarm
    refusal: str | None
    """Why the button leaves it as it is; after it was pressed, what came of the alarm."""


def show_link(
    request: Request, status: int, title: str, *, said: str | None = None, alarms: Sequence[LinkedAlarm] = (),
    button: str | None = None, first: Alarm | None = None,
) -> HTMLResponse:  # fmt: skip
    """Return the page, in the language that the browser asks for; `first` is the alarm that the title is of."""
    page, instructions = Page(request, None), parts_of(request).instructions
    shown: list[dict[str, Any]] = [
        {
            "alarm": each.alarm, "note": None if each.refusal is None else said_in(page, each.refusal),
            "where": where(each.alarm), "title": instructions.of(each.alarm.type, each.alarm.hub).title,
        }
        for each in alarms
    ]  # fmt: skip
    response = render(
        request, "link.html", status=status, title=said_in(page, title), alarms=shown,
        said=None if said is None else said_in(page, said), button=None if button is None else said_in(page, button),
        good=status == 200, first=first if first is not None or not alarms else alarms[0].alarm,
    )  # fmt: skip
    response.headers["Content-Security-Policy"] = POLICY
    # The address is the key: no other page is told of it.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def said_in(page: Page, said: str) -> str:
    """Return a sentence in a reader's language; one that no catalogue has stays as it is."""
    if isinstance(said, Phrase):
        return page.text(said.message) % said.values
    translated = page.text(said)
    return in_language(without_commands(said), page.text) if translated == said else translated
