"""The directory, sessions and approvals in a real database, on TimescaleDB and on plain PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.permission import EVERY_HUB, Actor, Grant, Role, UserAct
from hubwatch_store.database import DatabaseConnection, DatabaseSection, connect
from hubwatch_store.users import (
    NotAllowed,
    User,
    approvals,
    begin_session,
    directory,
    end_session,
    existing_user,
    has_directory,
    parse_grants,
    parse_user_name,
    taken_at_their_word,
    tokens_of,
    who,
)

HUB = "rotterdam"
ROOT = Actor("os:root", verified=False)


def grant(role: Role, *hubs: str) -> Grant:
    return Grant(role, frozenset(hubs or {HUB}))


@pytest.fixture
async def connection(migrated_database: str) -> AsyncIterator[DatabaseConnection]:
    async with await connect(DatabaseSection(dsn=migrated_database)) as made:
        yield made


async def added(connection: DatabaseConnection, name: str, *grants: Grant) -> User:
    async with directory.changing(connection):
        return await directory.add_user(connection, name, grants, by=ROOT)


async def administered(connection: DatabaseConnection) -> User:
    return await added(connection, "root", grant(Role.ADMINISTRATOR, EVERY_HUB))


async def begun(connection: DatabaseConnection, user: User, **options: Any) -> str:
    return (await begin_session(connection, user.id, **{"valid_s": 3600, "idle_s": 600, **options})).token


async def acts(connection: DatabaseConnection) -> list[tuple[Any, ...]]:
    cursor = await connection.execute("SELECT who, verified, act, subject FROM hubwatch.audit ORDER BY id")
    return await cursor.fetchall()


async def test_user_has_the_roles_they_were_given_and_each_change_is_journalled(connection: DatabaseConnection) -> None:
    assert not await has_directory(connection)
    await administered(connection)
    kim = await added(connection, "kim", grant(Role.GUARD), grant(Role.SUPERVISOR, "basel"))
    assert await has_directory(connection)
    assert set(kim.grants) == {grant(Role.GUARD), grant(Role.SUPERVISOR, "basel")}
    assert kim.needs == ("second_factor",)
    async with directory.changing(connection):
        await directory.set_grants(connection, kim, [grant(Role.VIEWER, EVERY_HUB)], by=ROOT)
        await directory.disable(connection, kim, by=ROOT)
        await directory.enable(connection, kim, by=ROOT)
    assert (await existing_user(connection, "kim")).grants == (grant(Role.VIEWER, EVERY_HUB),)
    words = [act for *_, act, subject in await acts(connection) if subject == "kim"]
    assert words == ["user.add", "user.grant", "user.disable", "user.enable"]


async def test_who_may_do_something_at_a_hub_is_found_without_reading_everybody(connection: DatabaseConnection) -> None:
    await administered(connection)
    for name, role, hub in (
        ("ann", Role.GUARD, "basel"), ("bea", Role.VIEWER, HUB), ("cem", Role.GUARD, HUB), ("dan", Role.GUARD, HUB),
        ("eve", Role.RESPONDER, EVERY_HUB), ("fay", Role.GUARD, HUB),
    ):  # fmt: skip
        user = await added(connection, name, grant(role, hub))
        if name == "cem":
            async with directory.changing(connection):
                await directory.disable(connection, user, by=ROOT)
    act = UserAct.ALARM_ACKNOWLEDGE
    assert await directory.names_reaching(connection, act, HUB, 50) == ["dan", "eve", "fay"]
    assert await directory.names_reaching(connection, act, HUB, 2) == ["dan", "eve"]


async def test_name_is_taken_once_also_by_one_who_is_disabled(connection: DatabaseConnection) -> None:
    await administered(connection)
    await added(connection, "kim")
    with pytest.raises(Permanent, match="there is a user kim already"):
        await added(connection, "kim")


@pytest.mark.parametrize("name", ["", "Kim", "system", "a b", "x" * 64, "-a", "os:root", "kim\n", "k\u202em"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadCall):
        parse_user_name(name)


@pytest.mark.parametrize("given", [{"boss": ["*"]}, {"guard": []}, {"guard": ["Rotterdam"]}, {"guard": ["a", "** "]}])
def test_what_is_no_grant_is_refused(given: dict[str, list[str]]) -> None:
    with pytest.raises(BadCall):
        parse_grants(given)


async def test_last_administrator_of_every_hub_cannot_be_taken_away(connection: DatabaseConnection) -> None:
    root = await administered(connection)
    await added(connection, "kim", grant(Role.ADMINISTRATOR, HUB))
    with pytest.raises(Permanent, match="nobody would be left"):
        async with directory.changing(connection):
            await directory.disable(connection, root, by=ROOT)
    with pytest.raises(Permanent, match="nobody would be left"):
        async with directory.changing(connection):
            await directory.set_grants(connection, root, [grant(Role.VIEWER)], by=ROOT)
    assert (await existing_user(connection, "root")).disabled is None


async def test_token_stands_for_its_user_with_the_roles_they_have_now(connection: DatabaseConnection) -> None:
    kim = await added(connection, "kim", grant(Role.GUARD))
    token = await begun(connection, kim)
    caller = await who(connection, token)
    assert caller is not None
    assert (caller.person.name, caller.person.verified, caller.person.grants) == ("kim", True, (grant(Role.GUARD),))
    assert await who(connection, token + "x") is None
    assert await who(connection, "") is None
    assert await who(connection, "\udcff\0") is None


async def test_only_the_hash_of_a_token_is_kept(connection: DatabaseConnection) -> None:
    token = await begun(connection, await added(connection, "kim"))
    cursor = await connection.execute("SELECT count(*) FROM hubwatch.user_sessions s WHERE s::text LIKE %s", [token])
    assert await cursor.fetchone() == (0,)


@pytest.mark.parametrize("past", ["expires = clock_timestamp()", "used = used - INTERVAL '1 hour'"])
async def test_session_is_over_when_it_expires_and_when_nobody_uses_it(
    connection: DatabaseConnection, past: str
) -> None:
    token = await begun(connection, await added(connection, "kim"))
    await connection.execute(f"UPDATE hubwatch.user_sessions SET {past}".encode())
    assert await who(connection, token) is None


async def test_session_that_is_used_goes_on(connection: DatabaseConnection) -> None:
    token = await begun(connection, await added(connection, "kim"))
    await connection.execute("UPDATE hubwatch.user_sessions SET used = used - INTERVAL '9 minutes'")
    assert await who(connection, token) is not None
    await connection.execute("UPDATE hubwatch.user_sessions SET used = used - INTERVAL '9 minutes'")
    assert await who(connection, token) is not None


@pytest.mark.parametrize("change", ["grant", "disable"])
async def test_sessions_and_tokens_end_when_roles_change_or_the_user_is_disabled(
    connection: DatabaseConnection, change: str
) -> None:
    await administered(connection)
    kim = await added(connection, "kim", grant(Role.GUARD))
    held = [await begun(connection, kim), await begun(connection, kim, kind="token", idle_s=None)]
    async with directory.changing(connection):
        if change == "grant":
            await directory.set_grants(connection, kim, [grant(Role.GUARD, "basel")], by=ROOT)
        else:
            await directory.disable(connection, kim, by=ROOT)
            await directory.enable(connection, kim, by=ROOT)
    assert [await who(connection, token) for token in held] == [None, None]


async def test_token_of_a_limited_scope_is_listed_without_its_secret_and_ended(connection: DatabaseConnection) -> None:
    kim = await added(connection, "kim", grant(Role.SUPERVISOR))
    other = await added(connection, "robin")
    made = await begin_session(
        connection, kim.id, valid_s=60, idle_s=None, kind="token", label="wall", scope=grant(Role.VIEWER)
    )
    (listed,) = await tokens_of(connection, kim.id)
    assert (listed.id, listed.label, listed.scope) == (made.id, "wall", grant(Role.VIEWER))
    caller = await who(connection, made.token)
    assert caller is not None
    assert caller.person.scope == grant(Role.VIEWER)
    assert not await end_session(connection, other.id, made.id, "not theirs")
    assert await end_session(connection, kim.id, made.id, "ended")
    assert await who(connection, made.token) is None


async def test_people_are_taken_at_their_word_only_where_there_is_no_directory(connection: DatabaseConnection) -> None:
    assert await taken_at_their_word(connection, "kim") == Actor("kim", verified=False)
    await administered(connection)
    with pytest.raises(Permanent, match="has a directory of users"):
        await taken_at_their_word(connection, "kim")


KIM = Actor("kim", (grant(Role.RESPONDER),))
ROBIN = Actor("robin", (grant(Role.SUPERVISOR),))


async def asked(connection: DatabaseConnection, valid_s: float = 600) -> int:
    async with connection.transaction():
        return await approvals.ask(
            connection, KIM, UserAct.ALARM_SHELVE_RADIATION, hub=HUB, subject="alarm 7", reason="works", valid_s=valid_s
        )


async def decided(connection: DatabaseConnection, person: Actor, number: int, *, agree: bool = True) -> str | None:
    async with connection.transaction():
        found = await approvals.to_decide(connection, person, number)
        return (await approvals.decide(connection, person, found, agree=agree, note=None)).decision


async def test_second_person_agrees_and_the_act_is_taken_once(connection: DatabaseConnection) -> None:
    number = await asked(connection)
    assert [each.id for each in await approvals.approvals(connection)] == [number]
    assert await decided(connection, ROBIN, number) == "approved"
    assert await approvals.approvals(connection) == []
    for act, subject in ((UserAct.ALARM_SHELVE, "alarm 7"), (UserAct.ALARM_SHELVE_RADIATION, "alarm 8")):
        with pytest.raises(Permanent, match="does not allow"):
            await approvals.take(connection, number, act, hub=HUB, subject=subject)
    wanted = {"act": UserAct.ALARM_SHELVE_RADIATION, "hub": HUB, "subject": "alarm 7"}
    assert await approvals.take(connection, number, **wanted) == ("kim", "robin")  # type: ignore[arg-type]
    with pytest.raises(Permanent, match="does not allow"):
        await approvals.take(connection, number, **wanted)  # type: ignore[arg-type]
    assert [act for _, _, act, _ in await acts(connection)] == ["approval.ask", "approval.approved"]


async def test_nobody_agrees_to_what_they_asked_for_nor_without_the_role_nor_twice(
    connection: DatabaseConnection,
) -> None:
    number = await asked(connection)
    boss_too = Actor("kim", (grant(Role.ADMINISTRATOR, EVERY_HUB),))
    guard, elsewhere = Actor("alex", (grant(Role.GUARD),)), Actor("alex", (grant(Role.SUPERVISOR, "basel"),))
    for person in (boss_too, guard, elsewhere):
        with pytest.raises(NotAllowed):
            await decided(connection, person, number)
    assert await decided(connection, ROBIN, number, agree=False) == "refused"
    with pytest.raises(Permanent, match="was refused already"):
        await decided(connection, ROBIN, number)
    with pytest.raises(Permanent, match="does not allow"):
        await approvals.take(connection, number, UserAct.ALARM_SHELVE_RADIATION, hub=HUB, subject="alarm 7")


async def test_who_may_not_do_it_cannot_ask_and_the_same_is_not_asked_twice(connection: DatabaseConnection) -> None:
    with pytest.raises(NotAllowed):
        await approvals.ask(connection, KIM, UserAct.LEVEL_LOWER, hub=HUB, subject="1", reason="x", valid_s=60)
    await asked(connection)
    with pytest.raises(Permanent, match="waits for a second person already"):
        await asked(connection)


async def test_what_nobody_decides_is_over_after_its_time_and_may_be_asked_anew(connection: DatabaseConnection) -> None:
    number = await asked(connection, valid_s=0)
    with pytest.raises(Permanent, match="was expired already"):
        await decided(connection, ROBIN, number)
    again = await asked(connection)
    assert [each.id for each in await approvals.approvals(connection)] == [again]
    assert [each.decision for each in await approvals.approvals(connection, decided=True)] == [None, "expired"]
    assert ("system", True, "approval.expired", "alarm.shelve_radiation alarm 7") in await acts(connection)


async def test_two_who_decide_at_a_time_do_not_both(migrated_database: str, connection: DatabaseConnection) -> None:
    number = await asked(connection)

    async def once(name: str) -> str | None:
        async with await connect(DatabaseSection(dsn=migrated_database)) as own:
            try:
                return await decided(own, Actor(name, (grant(Role.SUPERVISOR),)), number)
            except Permanent:
                return None

    assert sorted(map(str, await asyncio.gather(once("robin"), once("alex")))) == ["None", "approved"]
