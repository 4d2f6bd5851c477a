"""The pages in Chromium: by mouse, by keyboard, on a phone, cut off, two at once, and what axe-core finds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.oncall.escalation import Escalations
from hubwatch_alarms.oncall.escalation_settings import EscalationSection, StepSection
from hubwatch_alarms.oncall.link import LinkSection
from hubwatch_alarms.oncall.settings import PersonSection, WaySection
from hubwatch_core.permission import Role
from hubwatch_store.database import open_pool
from support import services
from support.alarms_database import Hands, hands_on, settings_of
from support.console_browser import CHROMIUM, PHONE, barriers, chromium, visiting
from support.console_hub import HUB, a_bad_morning, alarmed, at_work, door_history, found, hub_there
from support.console_running import add_person, running_api
from support.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEEN_PAGES = (
    "/", "/wall", "/alarms/1", "/alarms/2", "/alarms/3", "/incidents", "/incidents/1", "/plan", "/blind", "/health",
    "/level", "/handovers", "/handovers/1", "/approvals", "/audit",
)  # fmt: skip
CUT_WITHIN_S = 5.0
SLOW_S = 1.5
"""What this machine may take to show what a browser has decided in time."""
BACK_WITHIN_MS = 60_000
"""How soon a page is calm again is promised to nobody."""
WATCH_BANNER = """() => {
    const banner = document.getElementById("cut"), began = performance.now();
    window.shown = new Promise((done) => {
        const look = () => { if (!banner.hidden) done((performance.now() - began) / 1000); };
        new MutationObserver(look).observe(banner, { attributes: true });
    });
}"""
"""Lets the browser take the seconds until it says that it is cut off: the test beside it may be kept waiting."""


@dataclass
class Console:
    """A console over a database that can be cut off, with people in it."""

    browser: Browser
    address: str
    dsn: str
    hands: Hands
    database: Proxy
    link: LinkSection
    tokens: dict[str, str]

    def number(self) -> int:
        """Return a number that no detection has yet."""
        return 100 + int(self.hands.rows("SELECT count(*) AS n FROM detection")[0]["n"])

    async def alarm(self) -> int:
        """Return a new critical alarm, of a door that has none."""
        number = self.number()
        one = found(number, "access.held", f"door-{number}", priority=1, why="open for 45 s", ago_s=5)
        return (await alarmed(self.dsn, self.hands, one))[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Return the one browser of all tests."""
    if CHROMIUM is None:
        services.not_run("chromium", "there is none; `make services` installs it")
    expect.set_options(timeout=30_000)
    async with chromium() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def console(browser: Browser, migrated_plain_dsn: str, tmp_path: Path) -> AsyncIterator[Console]:
    """Run a console in a bad morning."""
    dsn, key = migrated_plain_dsn, tmp_path / "link.key"
    await asyncio.to_thread(key.write_text, "a key of these tests that is long enough", encoding="utf-8")
    with hands_on(dsn) as hands:
        hub_there(dsn, seen=False)
        door_history(dsn)
        await alarmed(dsn, hands, *a_bad_morning())
        tokens = {name: await add_person(dsn, name, Role.GUARD) for name in ("kim", "ada")}
        tokens["lee"] = await add_person(dsn, "lee", Role.ADMINISTRATOR)
        parts = conninfo_to_dict(dsn)
        async with Proxy(str(parts["host"]), int(str(parts["port"]))) as database, at_work(dsn):
            host, port = database.address
            through = make_conninfo(dsn, host=host, port=port)
            async with running_api(through, acknowledge={"key_file": str(key)}) as api:
                await api.with_token(tokens["kim"]).post("/handovers", hub=HUB)
                link = LinkSection(url="https://console.port.example", key_file=key)
                yield Console(browser, api.address, dsn, hands, database, link, tokens)


async def calm(page: Page) -> None:
    """Wait until a page follows its server and both have a database."""
    await page.wait_for_function(
        """() => new Promise((done) => {
            const live = new EventSource(document.body.dataset.live);
            live.addEventListener("pulse", (event) => {
                if (JSON.parse(event.data).database_lost_since === null) { live.close(); done(true); }
            });
        })"""
    )
    await expect(page.locator("#cut")).to_be_hidden()


async def test_guard_acknowledges_by_mouse_and_sees_it_without_loading_the_page(console: Console) -> None:
    alarm = await console.alarm()
    async with visiting(console.browser, console.address, console.tokens["kim"]) as kim:
        page = await kim.open()
        row = page.locator(f"#a{alarm}")
        await expect(row).to_contain_text("Nobody has it")
        await row.get_by_role("button", name="Acknowledge").click()
        await expect(row).to_contain_text("kim")
        await expect(row.get_by_role("button")).to_have_count(0)
        # What comes now is shown by itself.
        later = await console.alarm()
        await expect(page.locator(f"#a{later}")).to_be_visible()
        kim.check()
    assert console.hands.actions(alarm) == ["opened", "acknowledged"]


async def test_guard_acknowledges_by_keyboard_only(console: Console) -> None:
    alarm = await console.alarm()
    async with visiting(console.browser, console.address, console.tokens["kim"]) as kim:
        page = await kim.open("/?show=waiting")
        await expect(page.locator(f"#a{alarm}")).to_be_visible()
        numbers = await page.locator("li.row").evaluate_all("rows => rows.map(row => row.id)")
        for _ in range(numbers.index(f"a{alarm}") + 1):
            await page.keyboard.press("j")
        await expect(page.locator(".row.here")).to_have_id(f"a{alarm}")
        # A key that is pressed while the next page comes is nobody's.
        async with page.expect_navigation(wait_until="load"):
            await page.keyboard.press("a")
        await expect(page.locator(f"#a{alarm}")).to_have_count(0)
        await page.keyboard.press("?")
        await expect(page.locator("#help")).to_be_visible()
        await page.keyboard.press("Escape")
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/alarms/*")
        kim.check()
    assert console.hands.actions(alarm) == ["opened", "acknowledged"]


async def test_sound_that_the_browser_withholds_says_so_until_it_is_pressed(console: Console) -> None:
    async with visiting(console.browser, console.address, console.tokens["kim"]) as kim:
        await kim.page.add_init_script("localStorage.setItem('hubwatch-sound', 'on')")
        page = await kim.open()
        button = page.locator("#sound")
        await expect(button).to_contain_text("LOCKED")
        await expect(button).to_have_attribute("aria-pressed", "false")
        await button.click()
        await expect(button).to_have_text("Sound is on")
        await expect(button).to_have_attribute("aria-pressed", "true")


async def test_responder_on_a_phone_follows_the_link_of_a_message_and_acknowledges(console: Console) -> None:
    console.hands.detect(found(console.number(), "access.forced", "door-1", priority=1, why="forced", ago_s=5))
    tell = EscalationSection(name="duty", steps=(StepSection(people=("kim",)),))
    people = [PersonSection(name="kim", ways=(WaySection(route="mail"),))]
    async with open_pool(settings_of(console.dsn)) as pool:
        await Mover(pool, [], Instructions.load(), escalations=Escalations([tell], people)).round()
    row = console.hands.outbox()[-1]
    path = urlsplit(console.link.link(row["id"], 1, row["alarm"], "kim", time.time())).path
    async with visiting(console.browser, console.address, size=PHONE, has_touch=True, is_mobile=True) as kim:
        page = await kim.open(path)
        await page.get_by_role("button", name="Acknowledge as kim").tap()
        await expect(page.get_by_role("heading")).to_have_text("Acknowledged")
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"]
        assert await barriers(page) == []
        kim.check()
    assert console.hands.actions(row["alarm"])[-1] == "acknowledged"


async def test_no_page_is_wider_than_a_phone(console: Console) -> None:
    async with visiting(console.browser, console.address, console.tokens["lee"], size=PHONE) as lee:
        for path in SEEN_PAGES:
            page = await lee.open(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        lee.check()


async def test_two_guards_race_and_both_see_who_has_it(console: Console) -> None:
    alarm = await console.alarm()
    async with (
        visiting(console.browser, console.address, console.tokens["kim"]) as kim,
        visiting(console.browser, console.address, console.tokens["ada"]) as ada,
    ):
        pages = [await each.open("/?show=all") for each in (kim, ada)]
        buttons = [page.locator(f"#a{alarm}").get_by_role("button") for page in pages]
        for button in buttons:
            await expect(button).to_be_visible()
        await asyncio.gather(*(button.click(timeout=5000) for button in buttons), return_exceptions=True)
        for page in pages:
            await expect(page.locator(f"#a{alarm} .holds b")).to_be_visible()
        holder = console.hands.rows("SELECT acknowledged_by FROM alarms WHERE id = %s", alarm)[0]["acknowledged_by"]
        assert [await page.locator(f"#a{alarm} .holds b").inner_text() for page in pages] == [holder, holder]
    assert console.hands.actions(alarm).count("acknowledged") == 1


async def test_page_says_at_once_when_the_database_is_lost_and_when_it_is_back(console: Console) -> None:
    async with visiting(console.browser, console.address, console.tokens["kim"]) as kim:
        page = await kim.open()
        await calm(page)
        await page.evaluate(WATCH_BANNER)
        await console.database.refuse()
        console.database.cut()
        assert await page.evaluate("shown") <= CUT_WITHIN_S + SLOW_S
        await expect(page.locator("#cut")).to_contain_text("THE SERVER HAS LOST ITS DATABASE")
        assert await page.evaluate("document.body.classList.contains('stale')")
        await console.database.heal()
        await expect(page.locator("#cut")).to_be_hidden(timeout=BACK_WITHIN_MS)


async def test_page_says_at_once_when_the_server_is_lost(console: Console) -> None:
    parts = urlsplit(console.address)
    async with Proxy(str(parts.hostname), int(parts.port or 0)) as way:
        host, port = way.address
        address = f"http://{host}:{port}"
        async with visiting(console.browser, address, console.tokens["kim"]) as kim:
            page = await kim.open()
            await calm(page)
            await page.evaluate(WATCH_BANNER)
            way.stall("down")
            assert await page.evaluate("shown") <= CUT_WITHIN_S + SLOW_S
            await expect(page.locator("#cut")).to_contain_text("CUT OFF")
            await way.heal()
            await expect(page.locator("#cut")).to_be_hidden(timeout=BACK_WITHIN_MS)


async def test_what_is_ticked_and_typed_outlives_what_happens_meanwhile(console: Console) -> None:
    number = console.number()
    pair = [
        found(number + i, "perimeter.intrusion", sensor, priority=2, why=sensor, ago_s=2)
        for i, sensor in enumerate(("fence-3", "fence-4"))
    ]
    await alarmed(console.dsn, console.hands, *pair)
    newest = "SELECT id, incident FROM alarms WHERE sensor = 'fence-4' ORDER BY id DESC LIMIT 1"
    (row,) = console.hands.rows(newest)
    async with visiting(console.browser, console.address, console.tokens["lee"], size=PHONE) as lee:
        page = await lee.open(f"/incidents/{row['incident']}")
        await calm(page)
        tick = page.locator(f"input[name=alarm-{row['id']}]")
        await tick.check()
        await page.get_by_text("Some alarms are not of it").click()
        note = page.locator("#split input[name=note]")
        await note.fill("a crane")
        await page.evaluate(
            "() => { window.again = new Promise((done) => document.addEventListener('hubwatch-swapped', done)); }"
        )
        await console.alarm()
        await page.evaluate("() => window.again.then(() => true)")
        await expect(tick).to_be_checked()
        await expect(note).to_have_value("a crane")
        async with page.expect_navigation(wait_until="load"):
            await page.keyboard.press("Enter")
        await expect(page.locator("#timeline")).to_contain_text("split off from incident")
        # A refusal keeps the page alive: it goes on being made fresh at its own address.
        await page.get_by_text("Close it: say what it was").click()
        await page.locator("#close button").click()
        await expect(page.get_by_role("alert").first).to_contain_text("nobody has taken")
        assert await barriers(page) == []
        lee.complaints = [each for each in lee.complaints if "409" not in each]
        lee.check()


async def test_what_is_opened_stays_open_and_what_was_empty_appears_when_the_page_is_made_fresh(
    console: Console,
) -> None:
    async with visiting(console.browser, console.address, console.tokens["kim"]) as kim:
        page = await kim.open("/alarms/3")
        await calm(page)
        await page.get_by_text("Badges and door, in order").first.click()
        await expect(page.locator("#said table")).to_be_visible()
        await page.evaluate(
            "() => { const part = document.getElementById('nearby'); part.replaceChildren(); part.hidden = true; "
            "window.again = new Promise((done) => document.addEventListener('hubwatch-swapped', done)); }"
        )
        await console.alarm()
        await page.evaluate("() => window.again.then(() => true)")
        await expect(page.locator("#nearby table")).to_be_visible()
        await expect(page.locator("#said table")).to_be_visible()
        kim.check()


async def test_two_sign_a_hand_over_and_paper_has_nothing_to_press(console: Console) -> None:
    for name, button in (("kim", "leave: sign"), ("ada", "take over: sign")):
        async with visiting(console.browser, console.address, console.tokens[name], scheme="dark") as visit:
            page = await visit.open("/handovers/1")
            await page.get_by_role("button", name=button).click()
            await expect(page.locator("#signatures")).to_contain_text(name)
            await expect(page.locator("#print")).to_be_visible()
            await page.emulate_media(media="print")
            for hidden in (".top", "footer", "#print", "#signatures button"):
                assert await page.locator(hidden).filter(visible=True).count() == 0, hidden
            ground = await page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
            assert ground == "rgb(255, 255, 255)"
            visit.check()
    (row,) = console.hands.rows("SELECT left_by, taken_by FROM handovers")
    assert (row["left_by"], row["taken_by"]) == ("kim", "ada")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious_on_any_page(console: Console, scheme: str) -> None:
    async with visiting(console.browser, console.address, scheme=scheme) as nobody:
        page = await nobody.open("/login")
        assert await barriers(page) == []
        nobody.check()
    async with visiting(console.browser, console.address, console.tokens["lee"], scheme=scheme) as lee:
        for path in SEEN_PAGES:
            page = await lee.open(path)
            assert await barriers(page) == [], path
        lee.check()
