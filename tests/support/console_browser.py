"""Debian's Chromium, driven by Playwright: one for a session of tests, a context for each person."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WALL: ViewportSize = {"width": 1920, "height": 1080}
PHONE: ViewportSize = {"width": 390, "height": 844}
COOKIE = "hubwatch_session"
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking")
"""Without a sandbox: tests run as root, and open only pages of their own."""


@dataclass
class Visit:
    """Somebody's browser: a page, and what it complained of or asked of others."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    async def open(self, path: str = "/") -> Page:
        """Open a page of the console."""
        await self.page.goto(self.address + path)
        return self.page

    def check(self) -> None:
        """Fail for an error in the console, or a request to another host."""
        assert self.complaints == []
        assert self.elsewhere == []


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(
    browser: Browser, address: str, token: str | None = None, *, size: ViewportSize | None = None,
    scheme: Any = "light", **options: Any,
) -> AsyncIterator[Visit]:  # fmt: skip
    """Give somebody a browser of their own, logged in by a token where one is given."""
    context: BrowserContext = await browser.new_context(
        viewport=size or WALL,
        color_scheme=scheme,
        locale="en-GB",
        **options,
    )
    if token is not None:
        await context.add_cookies([{"name": COOKIE, "value": token, "url": address, "httpOnly": True}])
    # A test waits for what it wants, however busy the machine is; what is promised in time it measures.
    context.set_default_timeout(60_000)
    page = await context.new_page()
    visit = Visit(page, address)
    page.on("console", lambda said: visit.complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    host = urlsplit(address).netloc
    page.on("request", lambda asked: visit.elsewhere.append(asked.url) if urlsplit(asked.url).netloc != host else None)
    try:
        yield visit
    finally:
        await context.close()


AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
SERIOUS = {"serious", "critical"}


async def barriers(page: Page) -> list[str]:
    """Return what axe-core finds serious on a page."""
    # Our own policy refuses scripts from elsewhere, so it is run by the debugger and not by the page.
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = json.loads(await page.evaluate("async () => JSON.stringify((await axe.run()).violations)"))
    return [
        f"{each['id']}: {each['help']} ({', '.join(str(node['target']) for node in each['nodes'][:3])})"
        for each in found
        if each["impact"] in SERIOUS
    ]
