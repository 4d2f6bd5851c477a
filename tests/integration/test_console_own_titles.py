"""The titles that a hub has given its alarms itself: said by every page and answer that names an alarm."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_core.permission import Role
from support.alarms_database import Hands
from support.console_hub import HUB, alarmed, found
from support.console_running import Client, add_person, running_api
from support.console_visitor import Visitor

OWN = "What the port calls it"
TYPE = "radiation.gamma"
PACKAGED = Instructions.load().of(TYPE).title


@pytest.fixture
async def api(dsn: str, tmp_path: Path) -> AsyncIterator[Client]:
    own = tmp_path / "own.toml"
    own.write_text(f'["{HUB}/{TYPE}"]\ntitle = "{OWN}"\ndo = "Call 4711."\n')
    async with running_api(dsn, instructions_file=own) as client:
        yield client


async def test_pages_and_answers_say_the_own_title_of_the_hub(api: Client, dsn: str, hands: Hands) -> None:
    alarm, other = await alarmed(dsn, hands, *[
        found(number, TYPE, f"rpm-{number}", priority=1, why="a source") for number in (1, 2)
    ])  # fmt: skip
    incident = hands.rows("SELECT incident FROM alarms WHERE id = %s", alarm)[0]["incident"]
    token = await add_person(dsn, "kim", Role.SUPERVISOR, HUB)
    kim, caller = Visitor(api, {"hubwatch_session": token}), api.with_token(token)
    for path, times in ((f"/alarms/{alarm}", 1), (f"/incidents/{incident}", 2)):
        _, text, _ = await kim.get(path)
        assert text.count(OWN) >= times, path
        # Alarms are named in links and cells; an incident has the title that it got when it began.
        assert not [end for end in ("</a>", "</td>") if f"{PACKAGED}{end}" in text], path
    status, text, _ = await kim.press(f"/alarms/{alarm}", f"/alarms/{alarm}/shelve", note="", **{"for": "1h"})
    assert (status >= 400, OWN in text, f">{PACKAGED}<" in text) == (True, True, False)
    titles = [each["title"] for each in (await caller.get("/alarms")).body["alarms"]]
    titles += [each["title"] for each in (await caller.get(f"/incidents/{incident}")).body["of_it"]]
    titles.append((await caller.post(f"/alarms/{other}/acknowledge")).body["title"])
    draft = (await caller.post("/handovers", hub=HUB)).body
    titles += [each["title"] for each in draft["facts"]["alarms"]["rows"]]
    assert set(titles) == {OWN}
