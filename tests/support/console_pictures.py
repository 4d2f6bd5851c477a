"""Takes the pictures of the console's pages that stand in the documentation (`make screenshots`)."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from PIL import Image
from playwright.async_api import expect

from hubwatch_core.permission import Role
from hubwatch_ops.embedded import running_postgres
from support.alarms_database import hands_on
from support.console_browser import PHONE, WALL, chromium, visiting
from support.console_hub import (
    HUB,
    a_bad_morning,
    alarmed,
    at_work,
    door_history,
    former_readings,
    hub_there,
    passage_readings,
)
from support.console_running import add_person, running_api
from support.databases import fresh_database, migrated_template
from support.ports import free_port

FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "console"
PAGES = {
    "queue": "/", "alarm-portal": "/alarms/1", "alarm-fence": "/alarms/2", "alarm-door": "/alarms/3",
    "incidents": "/incidents", "incident": "/incidents/1", "plan": "/plan", "blind": "/blind", "health": "/health",
    "level": "/level", "handovers": "/handovers", "handover": "/handovers/1", "approvals": "/approvals",
    "audit": "/audit", "wall": "/wall", "login": "/login",
}  # fmt: skip
SHOWN = (("light", WALL, "light"), ("dark", WALL, "dark"), ("phone", PHONE, "light"))
COLOURS = 128
MOST_BYTES = 200_000


def small(picture: bytes) -> bytes:
    """Return a picture with few colours, as pages have them."""
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS).save(out, "PNG", optimize=True)
    return out.getvalue()


async def take(folder: Path) -> None:
    """Write every page, light, dark and as on a phone."""
    with (
        running_postgres(free_port()) as server,
        migrated_template(server) as template,
        fresh_database(server, template) as dsn,
        hands_on(dsn) as hands,
    ):
        hub_there(dsn, seen=False)
        door_history(dsn)
        former_readings(dsn)
        token = await add_person(dsn, "kim", Role.SUPERVISOR)
        async with at_work(dsn), running_api(dsn) as api, chromium() as browser:
            morning = a_bad_morning()
            passage_readings(dsn, morning[0])
            await alarmed(dsn, hands, *morning)
            kim = api.with_token(token)
            await kim.post("/alarms/3/acknowledge", note="two on their way")
            await kim.post("/incidents/1/assign", to="kim")
            await kim.post("/incidents/1/comment", text="Two guards walk along the fence from the gate.")
            await kim.post(f"/hubs/{HUB}/checklist/gates", began=None)
            draft = await kim.post("/handovers", hub=HUB)
            await kim.post(f"/handovers/{draft.body['id']}/notes", notes="The key of gate 2 is at the desk.")
            for name, size, scheme in SHOWN:
                async with visiting(browser, api.address, token, size=size, scheme=scheme) as visit:
                    page = await visit.open("/")
                    await expect(page.locator(".banner.unknown", has_text="NOT KNOWN")).to_have_count(0, timeout=30_000)
                    for each, path in PAGES.items():
                        page = await visit.open(path)
                        taken = await page.screenshot(animations="disabled")
                        picture = await asyncio.to_thread(small, taken)
                        assert len(picture) <= MOST_BYTES, f"{each}-{name} has {len(picture)} bytes"
                        await asyncio.to_thread((folder / f"{each}-{name}.png").write_bytes, picture)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(FOLDER))
