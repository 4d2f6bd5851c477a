"""Who may do what, at which hub."""

from __future__ import annotations

from itertools import product

import pytest

from hubwatch_core.permission import (
    EVERY_HUB,
    INCLUDES,
    LEAST_ROLE,
    TWO_PERSONS,
    Actor,
    Grant,
    Role,
    UserAct,
    changing_level,
    hubs_where,
    may,
    may_agree,
    needs_second_factor,
    refusal,
    shelving,
)

HERE, THERE = "rotterdam", "antwerp"


def person(role: Role, *hubs: str, name: str = "kim") -> Actor:
    return Actor(name, (Grant(role, frozenset(hubs)),))


@pytest.mark.parametrize(("role", "act"), list(product(Role, UserAct)))
def test_act_is_for_those_whose_role_includes_its_least_role_and_only_at_their_hubs(role: Role, act: UserAct) -> None:
    kim = person(role, HERE)
    assert may(kim, act, HERE) is (LEAST_ROLE[act] in INCLUDES[role])
    assert not may(kim, act, THERE)
    assert not may(kim, act, None)
    assert may(person(role, EVERY_HUB), act, None) is may(kim, act, HERE)


def test_every_act_has_a_least_role_and_whoever_agrees_to_one_might_ask_for_it() -> None:
    assert set(LEAST_ROLE) == set(UserAct)
    assert all(LEAST_ROLE[act] in INCLUDES[second] for act, second in TWO_PERSONS.items())


def test_roles_include_themselves_and_what_those_include() -> None:
    assert all(role in INCLUDES[role] for role in Role)
    assert all(INCLUDES[inner] <= INCLUDES[role] for role in Role for inner in INCLUDES[role])


def test_technician_takes_no_alarm_and_responder_commands_no_device() -> None:
    assert not may(person(Role.TECHNICIAN, HERE), UserAct.ALARM_ACKNOWLEDGE, HERE)
    assert not may(person(Role.RESPONDER, HERE), UserAct.DEVICE_COMMAND, HERE)


def test_roles_at_different_hubs_do_not_add_up() -> None:
    kim = Actor("kim", (Grant(Role.VIEWER, frozenset({HERE})), Grant(Role.SUPERVISOR, frozenset({THERE}))))
    assert not may(kim, UserAct.ALARM_CLOSE, HERE)
    assert may(kim, UserAct.ALARM_CLOSE, THERE)
    assert hubs_where(kim, UserAct.ALARM_SEE) == {HERE, THERE}
    assert hubs_where(kim, UserAct.ALARM_CLOSE) == {THERE}


def test_token_limits_what_its_person_may_do_and_adds_nothing() -> None:
    scope = Grant(Role.GUARD, frozenset({HERE}))
    boss = Actor("kim", (Grant(Role.SUPERVISOR, frozenset({EVERY_HUB})),), scope=scope)
    assert may(boss, UserAct.ALARM_ACKNOWLEDGE, HERE)
    assert not may(boss, UserAct.ALARM_CLOSE, HERE)
    assert not may(boss, UserAct.ALARM_ACKNOWLEDGE, THERE)
    assert hubs_where(boss, UserAct.ALARM_SEE) == {HERE}
    viewer = Actor("kim", (Grant(Role.VIEWER, frozenset({HERE})),), scope=scope)
    assert not may(viewer, UserAct.ALARM_ACKNOWLEDGE, HERE)


def test_who_has_to_set_up_first_may_do_nothing_and_is_told_what() -> None:
    fresh = Actor("kim", (Grant(Role.ADMINISTRATOR, frozenset({EVERY_HUB})),), needs=("password", "second_factor"))
    assert not any(may(fresh, act, HERE) for act in UserAct)
    assert refusal(fresh, UserAct.ALARM_SEE, HERE) == "kim must set up first: password, second_factor"


def test_refusal_says_which_role_is_missing_and_where() -> None:
    assert refusal(person(Role.VIEWER, HERE), UserAct.ALARM_SHELVE, HERE) == (
        "alarm.shelve at hub rotterdam needs the role responder there"
    )
    assert refusal(person(Role.SUPERVISOR, HERE), UserAct.USER_CHANGE, None) == (
        "user.change at every hub needs the role administrator there"
    )
    assert refusal(person(Role.GUARD, HERE), UserAct.ALARM_SEE, HERE) is None


@pytest.mark.parametrize("act", UserAct)
def test_second_of_two_is_another_person_with_the_right_role_at_that_hub(act: UserAct) -> None:
    boss = person(Role.SUPERVISOR, HERE, name="robin")
    assert may_agree(boss, act, HERE, "kim") is (act in TWO_PERSONS)
    assert not may_agree(boss, act, HERE, "robin")
    assert not may_agree(boss, act, THERE, "kim")
    assert not may_agree(person(Role.RESPONDER, HERE, name="robin"), act, HERE, "kim")


def test_what_needs_two_persons() -> None:
    assert set(TWO_PERSONS) == {
        shelving("radiation.gamma"),
        UserAct.ALARM_SHELVE_LAST,
        UserAct.ALARM_SUPPRESS_BLIND,
        changing_level(3, 2),
        UserAct.HOLD_RELEASE,
        UserAct.CERTIFICATE_REVOKE,
    }
    assert shelving("perimeter.crossing") is shelving("radiationless.x") is UserAct.ALARM_SHELVE
    assert changing_level(1, 2) is changing_level(2, 2) is UserAct.LEVEL_RAISE


def test_second_factor_is_for_those_who_can_blind_a_hub_or_let_others_in() -> None:
    wanted = {role for role in Role if needs_second_factor((Grant(role, frozenset({HERE})),))}
    assert wanted == {Role.SUPERVISOR, Role.ADMINISTRATOR}
