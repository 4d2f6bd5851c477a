"""The checklist of a security level: who ticks what, when a list begins anew, and who was quicker."""

from __future__ import annotations

import asyncio
import re

import pytest

from hubwatch_core.permission import Role
from hubwatch_store.audit import verify
from hubwatch_store.database import DatabaseSection, connect_sync
from hubwatch_store.site import apply
from support.alarms_database import Hands
from support.console_running import Client, add_person
from support.console_visitor import Visitor
from support.eventually import eventually

HUB = "rotterdam"
SITE = """[hub]
id = "rotterdam"
name = "Maasvlakte"
mode = "sea"
time_zone = "Europe/Amsterdam"
[[checks]]
id = "gates"
levels = [1, 2, 3]
text = "Try the locks of <all> gates."
[[checks]]
id = "patrols"
levels = [2, 3]
text = "Walk the quay fence every hour."
"""


@pytest.fixture
def dsn(migrated_plain_dsn: str) -> str:
    put(migrated_plain_dsn, SITE)
    return migrated_plain_dsn


def put(dsn: str, site: str) -> None:
    with connect_sync(DatabaseSection(dsn=dsn), "test") as connection:
        apply(connection, site, by="test", note="test")


async def person(api: Client, dsn: str, name: str, role: Role = Role.GUARD, *hubs: str) -> Visitor:
    visitor = Visitor(api, {"hubwatch_session": await add_person(dsn, name, role, *(hubs or (HUB,)))})

    async def known() -> bool:
        return hubs != () or "Try the locks" in (await visitor.get("/level"))[1]

    await eventually(known)
    return visitor


async def tick(visitor: Visitor, item: str, say: str = "done", **form: str) -> tuple[int, str]:
    """Press the button of an item as the page shows it."""
    if "began" not in form:
        form["began"] = re.findall(r'name="began" value="(\d*)"', (await visitor.get("/level"))[1])[0]
    status, text, _ = await visitor.press("/level", f"/level/{HUB}/checklist", item=item, say=say, **form)
    return status, text


async def test_ticks_say_who_did_what_and_begin_anew_with_the_level(api: Client, dsn: str, hands: Hands) -> None:
    kim, ada = await person(api, dsn, "kim"), await person(api, dsn, "ada", Role.SUPERVISOR)
    _, text, _ = await kim.get("/level")
    assert "Try the locks of &lt;all&gt; gates." in text
    assert "Walk the quay fence" not in text
    assert (await tick(kim, "gates"))[0] == 303
    _, text, _ = await ada.get("/level")
    assert "all done" in text
    assert re.search(r"kim, <time", text)
    assert (await ada.press("/level", f"/level/{HUB}", level="2", note="a threat"))[0] == 303
    _, text, _ = await kim.get("/level")
    assert "<b>2</b> to be done" in text
    assert (await tick(kim, "patrols"))[0] == 303
    assert (await tick(kim, "gates"))[0] == 303
    assert (await tick(ada, "gates", "again"))[0] == 303
    _, text, _ = await kim.get("/level")
    assert "<b>1</b> to be done" in text
    assert "to be done again, says ada" in text
    rows = hands.rows("SELECT level, item, done, by, text FROM checklist_journal ORDER BY id")
    assert [(row["level"], row["item"], row["done"], row["by"]) for row in rows] == [
        (1, "gates", True, "kim"), (2, "patrols", True, "kim"), (2, "gates", True, "kim"), (2, "gates", False, "ada"),
    ]  # fmt: skip
    assert rows[0]["text"] == "Try the locks of <all> gates."
    said = hands.rows(
        "SELECT who, subject, details ->> 'done' AS done FROM audit WHERE act = 'checklist.tick' ORDER BY id"
    )
    assert [(row["who"], row["subject"], row["done"]) for row in said][-1] == ("ada", "check gates", "false")
    with connect_sync(DatabaseSection(dsn=dsn), "test") as connection:
        assert list(verify(connection)) == []


async def test_who_was_quicker_and_a_level_that_has_changed_are_said_in_words(
    api: Client, dsn: str, hands: Hands
) -> None:
    kim, ada = await person(api, dsn, "kim"), await person(api, dsn, "ada", Role.SUPERVISOR)
    answers = await asyncio.gather(tick(kim, "gates", began=""), tick(ada, "gates", began=""))
    assert sorted(status for status, _ in answers) == [303, 409]
    (row,) = hands.rows("SELECT by FROM checklist_journal")
    assert any(f"{row['by']} was quicker: gates is ticked already" in text for _, text in answers)
    await ada.press("/level", f"/level/{HUB}", level="3", note="worse")
    status, text = await tick(kim, "gates", "again", began="")
    assert (status, "its list begins anew" in text) == (409, True)
    status, text = await tick(kim, "gates", "again")
    assert (status, "nobody has ticked gates" in text) == (409, True)
    status, text = await tick(kim, "nothing")
    assert (status, "is not on the list" in text) == (409, True)
    assert len(hands.rows("SELECT 1 FROM checklist_journal")) == 1


async def test_rights_and_proof_of_the_form(api: Client, dsn: str, hands: Hands) -> None:
    vic, kim = await person(api, dsn, "vic", Role.VIEWER), await person(api, dsn, "kim")
    eve = await person(api, dsn, "eve", Role.SUPERVISOR, "basel")
    assert "/checklist" not in (await vic.get("/level"))[1]
    path = f"/level/{HUB}/checklist"
    form = {"item": "gates", "say": "done", "began": ""}
    assert (await vic.press("/", path, **form))[0] == 403
    assert (await kim.send(path, form))[0] == 403
    status, text, _ = await eve.press("/", path, **form)
    assert (status, f"there is no hub {HUB}" in text) == (409, True)
    for wrong in ({"began": "x"}, {"began": "9" * 19}, {"say": "maybe"}):
        assert (await kim.press("/level", path, **{**form, **wrong}))[0] == 400, wrong
    assert hands.rows("SELECT 1 FROM checklist_journal") == []


async def test_what_was_ticked_stays_when_the_site_has_it_no_more(api: Client, dsn: str) -> None:
    kim = await person(api, dsn, "kim")
    await tick(kim, "gates")
    put(dsn, SITE.replace('"gates"', '"doors"'))

    async def renamed() -> bool:
        return 'value="doors"' in (await kim.get("/level"))[1]

    await eventually(renamed)
    _, text, _ = await kim.get("/level")
    assert "not on the list any more" in text
    assert "<b>1</b> to be done" in text


async def test_programs_tick_by_the_same_rules(api: Client, dsn: str, hands: Hands) -> None:
    await person(api, dsn, "vic", Role.VIEWER)
    kim = api.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    shown = (await kim.get(f"/hubs/{HUB}/checklist")).body
    assert (shown["level"], shown["began"], shown["left"]) == (1, None, 1)
    done = await kim.post(f"/hubs/{HUB}/checklist/gates", began=None, note="by torch")
    assert (done.status, done.body["left"], done.body["checks"][0]["by"]) == (200, 0, "kim")
    again = await kim.post(f"/hubs/{HUB}/checklist/gates", began=None)
    assert (again.status, "was quicker" in again.body["detail"]) == (409, True)
    assert (await kim.get("/hubs/basel/checklist")).status == 409
