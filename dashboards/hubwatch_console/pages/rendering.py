"""Turns templates into pages: escaped, in the reader's language, in the hub's time, with the headers of pages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache, lru_cache, partial
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

from babel.dates import format_date
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from hubwatch_console.access import parts_of
from hubwatch_console.pages import words
from hubwatch_console.pages.language import LANGUAGES, catalogue, chosen
from hubwatch_console.pages.refusals import in_language
from hubwatch_console.routes.alarms import seen_by
from hubwatch_core.alarm import Alarm
from hubwatch_core.clock import SECOND_US, now_us, to_datetime, to_us
from hubwatch_core.permission import UserAct, hubs_where, may
from hubwatch_core.plain_text import one_line
from hubwatch_store.users import KnownCaller

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    # The default would take the origin from our own forms, too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Vary": "Cookie, Accept-Language",
}
LANGUAGE_COOKIE, THEME_COOKIE = "hubwatch_language", "hubwatch_theme"
THEMES = ("auto", "light", "dark")
DAY = "EEE d MMM"
_COMMAND = re.compile(r"(?:[;:,] (?:run )?| for )`hubwatch [^`]+`[^;:,]*")


@cache
def statics() -> Mapping[str, tuple[bytes, str]]:
    """Return what pages load beside themselves, each with its type: all of it is in the package."""
    kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    folder = resources.files("hubwatch_console").joinpath("pages/static")
    return {
        each.name: (each.read_bytes(), kinds[each.name.rpartition(".")[2]])
        for each in folder.iterdir()
        if each.name.rpartition(".")[2] in kinds
    }


@cache
def version_of_statics() -> str:
    """Return what changes with any of them, so that browsers may keep them."""
    digest = hashlib.sha256()
    for name, (content, _) in sorted(statics().items()):
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()[:16]


@cache
def environment(language: str) -> Environment:
    """Return the templates in a language."""
    made = Environment(
        loader=PackageLoader("hubwatch_console", "pages/templates"), autoescape=True, undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {"line": one_line, "short": short_number, "camera": camera_page, "instant": instant}
    made.filters["refusal"] = lambda text: in_language(without_commands(text), catalogue(language).gettext)
    return made


def camera_page(page: str, camera: str, alarm: Alarm) -> str:
    """Return the page of a camera at the moment in which an alarm began."""
    filled = {
        "time_iso": to_datetime(alarm.opened).isoformat(timespec="seconds"),
        "time_unix": str(alarm.opened // SECOND_US),
        "sensor": alarm.sensor,
        "camera": camera,
    }
    for name, value in filled.items():
        page = page.replace(f"{{{name}}}", quote(value, safe=""))
    return page


def short_number(value: object) -> str:
    """Return a number as people read it, and anything else as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def instant(text: str | None) -> datetime | None:
    """Return a moment of a kept document."""
    return None if text is None else datetime.fromisoformat(text)


class Page:
    """One request as templates need it: who looks, in which language and theme, below which path."""

    def __init__(self, request: Request, caller: KnownCaller | None, here: str | None = None) -> None:
        self._request, self.caller, self._here = request, caller, here
        self.language = chosen(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language"))
        theme = request.cookies.get(THEME_COOKIE)
        self.theme = theme if theme in THEMES else "auto"
        self.prefix = parts_of(request).settings.api.path_prefix
        self.now = now_us()
        self.messages = catalogue(self.language)

    @property
    def here(self) -> str:
        """Return the path of this page with what was asked, below the prefix; after an act that of what it is about."""
        if self._here is not None:
            return self._here
        path = self._request.url.path.removeprefix(self.prefix)
        query = self._request.url.query
        return f"{path}?{query}" if query else path

    def path(self, path: str, **asked: object) -> str:
        """Return an address of ours."""
        wanted = {name: value for name, value in asked.items() if value is not None and value != ""}
        return f"{self.prefix}{quote(path)}" + (f"?{urlencode(wanted)}" if wanted else "")

    def static(self, name: str) -> str:
        """Return the address of something that pages load."""
        return self.path(f"/static/{version_of_statics()}/{name}")

    def may(self, act: str, hub: str | None) -> bool:
        """Return whether whoever looks may do that at a hub; pages show no button that would be refused."""
        return self.caller is not None and may(self.caller.person, UserAct(act), hub)

    @property
    def sees_journal(self) -> bool:
        """Return whether whoever looks may read the journal somewhere."""
        return self.caller is not None and bool(hubs_where(self.caller.person, UserAct.JOURNAL_SEE))

    def text(self, message: str) -> str:
        """Return a message in the reader's language."""
        return self.messages.gettext(message)

    def moment(self, at: datetime | int | None, hub: str | None = None) -> Markup:
        """Return a moment on the clock of a hub, with the name of its zone."""
        if at is None:
            return Markup("–")
        moment = to_datetime(at) if isinstance(at, int) else at
        zone = parts_of(self._request).zone(hub)
        local = moment.astimezone(zone)
        shown = f"{day_text(local.date(), self.language)} {local:%H:%M:%S}"
        stamp = to_datetime(to_us(moment)).isoformat(timespec="seconds")
        return Markup(  # noqa: S704 - what is not our own is escaped; a page has a hundred, and `format` is slow
            f'<time datetime="{stamp}">{escape(shown)} <abbr class="zone">{escape(local.tzname())}</abbr></time>'
        )

    def moment_before(self, seconds: float, hub: str | None = None) -> Markup:
        """Return the moment that was so many seconds ago."""
        return self.moment(self.now - int(seconds * 1_000_000), hub)

    def age(self, at: datetime | int | None) -> Markup:
        """Return how long ago something was, which goes on ticking."""
        if at is None:
            return Markup("–")
        us = at if isinstance(at, int) else to_us(at)
        return Markup(  # noqa: S704 - a number and a span of ours
            f'<span class="age" data-since="{us // 1000}">{span(self.now - us)}</span>'
        )

    def age_s(self, seconds: float | None) -> Markup:
        """Return an age in seconds, which goes on ticking."""
        return self.age(None if seconds is None else self.now - int(seconds * 1_000_000))


@lru_cache(maxsize=1024)
def day_text(day: date, language: str) -> str:
    """Return a day as people write it; most of a page are of a few days."""
    return format_date(day, DAY, locale=language)


def span(us: int) -> str:
    """Return a span of time in its two largest units, as on a clock that counts."""
    seconds = abs(us) // 1_000_000
    sign = "−" if us <= -1_000_000 else ""
    for size, unit, below, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            return f"{sign}{seconds // size} {unit} {seconds % size // below:02d} {small}"
    return f"{sign}{seconds} s"


def shape(priority: int) -> Markup:
    """Return the shape of a priority, for who does not see colours; its word stands beside it."""
    return Markup('<svg class="shape p{}" viewBox="0 0 24 24" aria-hidden="true">{}</svg>').format(
        int(priority), outline_of(priority)
    )


def without_commands(text: str) -> str:
    """Return a refusal in one line, without the commands that it names for whoever sits at a command line."""
    return one_line(_COMMAND.sub("", text))


def outline_of(priority: int) -> Markup:
    """Return the outline of a priority's shape and its number, in a square of 24."""
    drawn = {
        "octagon": '<path d="M7 1h10l6 6v10l-6 6H7l-6-6V7z"/>',
        "triangle": '<path d="M12 1l11.5 21H.5z"/>',
        "diamond": '<path d="M12 .5L23.5 12 12 23.5.5 12z"/>',
        "circle": '<circle cx="12" cy="12" r="10.5"/>',
    }[words.SHAPE[priority]]
    return Markup(  # noqa: S704 - the two parts are constants and a number
        f'{drawn}<text x="12" y="17" text-anchor="middle">{int(priority)}</text>'
    )


def render(
    request: Request, template: str, caller: KnownCaller | None = None, *, status: int = 200, here: str | None = None,
    **facts: Any,
) -> HTMLResponse:  # fmt: skip
    """Return a page; `here` is the path at which it can be looked at again, where that is not the one asked for."""
    page = Page(request, caller, here)
    parts = parts_of(request)
    shown: dict[str, Any] = {
        "page": page, "words": words, "w": partial(_word, page), "shape": shape, "span": span, "languages": LANGUAGES,
        "themes": THEMES, "csrf": None if caller is None else getattr(request.state, "csrf", None),
        "watch": "" if parts.feed is None or caller is None else parts.feed.standing.watch(seen_by(caller.person)),
        "live": True, "wall": False,
    }  # fmt: skip
    text = environment(page.language).get_template(template).render(shown | facts)
    return HTMLResponse(text, status, HEADERS)


def _word(page: Page, table: Mapping[Any, str], key: object) -> Markup | str:
    """Return the word for something, in the reader's language; the key itself where there is none."""
    message = table.get(key)
    return escape(one_line(str(key))) if message is None else page.text(message)
