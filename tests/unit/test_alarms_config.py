"""The settings of the alarms component, and the sample that ships."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from hubwatch_alarms.check import check
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_core.alarm import Action
from hubwatch_core.config.load import load
from hubwatch_core.errors import ConfigError

SAMPLE = resources.files("hubwatch_alarms").joinpath("sample.toml").read_text(encoding="utf-8")

WEBHOOK = """
[[routes]]
name = "duty"
kind = "webhook"
url = "{url}"
secret_file = "key"
"""


def loaded(folder: Path, text: str) -> AlarmsSettings:
    file = folder / "alarms.toml"
    file.write_text(text, encoding="utf-8")
    return load(AlarmsSettings, file, env={})


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        loaded(folder, text)
    return [f"{problem.key}: {problem.message}" for problem in refused.value.problems]


def test_sample_loads_as_it_is(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SAMPLE)
    assert [(route.name, route.kind) for route in settings.routes] == [("journal", "log")]


def test_sample_loads_with_every_line_that_is_commented_out(tmp_path: Path) -> None:
    settings = loaded(tmp_path, uncommented(without=("secret_env", "url_file", "allow_http")))
    assert [route.kind for route in settings.routes] == [
        "log",
        "webhook",
        "smtp",
        "pagerduty",
        "alertmanager",
        "cap",
        "mqtt",
        "apprise",
    ]
    assert settings.telemetry.port == 9101


def test_sample_names_every_key_there_is(tmp_path: Path) -> None:
    tree = tomllib.loads(uncommented(without=()))
    settings = loaded(tmp_path, uncommented(without=("secret_env", "url_file")))
    for section in ("database", "delivery", "shelving", "telemetry", "log"):
        known = set(type(getattr(settings, section)).model_fields) - {"password", "token"}
        assert set(tree[section]) == known, section
    for table, route in zip(tree["routes"], settings.routes, strict=True):
        assert set(table) == set(type(route).model_fields)
    for name in ("people", "rotas", "escalations"):
        (table,), (section,) = tree[name], getattr(settings, name)
        assert set(table) == {field.alias or key for key, field in type(section).model_fields.items()}, name


def test_sample_shows_the_defaults(tmp_path: Path) -> None:
    shown = loaded(tmp_path, uncommented(without=("secret_env", "url_file")))
    plain = AlarmsSettings()
    assert (shown.delivery, shown.shelving, shown.log) == (plain.delivery, plain.shelving, plain.log)
    assert shown.database.model_copy(update={"password_file": None}) == plain.database


def test_five_mistakes_are_five_lines(tmp_path: Path) -> None:
    text = """
    colour = "red"
    [delivery]
    give_up_after_s = 0
    [shelving]
    max_s = "a week"
    [log]
    level = "loud"
    [[routes]]
    name = "x"
    kind = "pigeon"
    """
    found = mistakes(tmp_path, text)
    assert len(found) == 5
    assert "colour: unknown key" in found
    assert any(line.startswith("routes[0]") and "pigeon" in line for line in found)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://alerts.example.org/", "would send alarms in the clear"),
        ("ftp://alerts.example.org/", "must be a full http"),
        ("alerts.example.org", "must be a full http"),
        ("https://user:pass@alerts.example.org/", "must not carry a user or password"),
        ("http://127.0.0.1.example.org/", "would send alarms in the clear"),
        ("https://[::1", "IPv6 address stands in brackets"),
        ("https://alerts.example.org:99999/", "its port is a number"),
        ("https://alerts..example.org/", "can be no host name"),
        ("https://alerts example.org/", "can be no host name"),
        (f"https://{'a' * 64}.example.org/", "can be no host name"),
        ("https://alerts.example.org%2f.example.net/", "can be no host name"),
    ],
)
def test_url_that_is_unsafe_or_none_is_refused(tmp_path: Path, url: str, says: str) -> None:
    (found,) = mistakes(tmp_path, WEBHOOK.format(url=url))
    assert says in found


@pytest.mark.parametrize(
    "url",
    [
        "https://alerts.example.org/x",
        "http://127.0.0.1:8080/",
        "http://localhost/",
        "http://[::1]:1/",
        "https://hafenbüro.example/",
        "https://duty_desk/",
        "https://alerts.example.org./",
    ],
)
def test_https_and_loopback_http_are_good(tmp_path: Path, url: str) -> None:
    assert loaded(tmp_path, WEBHOOK.format(url=url)).routes[0].kind == "webhook"


def test_http_to_others_is_good_when_it_is_said_so(tmp_path: Path) -> None:
    assert loaded(tmp_path, WEBHOOK.format(url="http://10.0.0.9/") + "allow_http = true\n").routes


@pytest.mark.parametrize("keys", ["", 'secret_file = "a"\nsecret_env = "B"\n'], ids=["none", "both"])
def test_webhook_needs_exactly_one_place_of_its_key(tmp_path: Path, keys: str) -> None:
    text = WEBHOOK.format(url="https://example.org/").replace('secret_file = "key"\n', keys)
    (found,) = mistakes(tmp_path, text)
    assert "give one of secret_file and secret_env" in found


def test_key_in_the_toml_is_no_key(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, WEBHOOK.format(url="https://example.org/") + 'secret = "hunter2"\n')
    assert "unknown key" in found
    assert "hunter2" not in found


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("radiation.gama", "radiation.gama is no type that a detector finds; there is radiation.gamma"),
        ("radaition", "radaition is no type that a detector finds; there is radiation"),
        ("radiation.gamma.high", "radiation.gamma.high is no type that a detector finds; there is radiation.gamma"),
    ],
)
def test_type_that_no_detector_finds_is_refused_on_routes_and_escalations(
    tmp_path: Path, wanted: str, said: str
) -> None:
    text = (
        f'[[routes]]\nname = "log"\nkind = "log"\ntypes = ["access", "{wanted}"]\n'
        f'[[people]]\nname = "kim"\nways = [{{ route = "log" }}]\n'
        f'[[escalations]]\nname = "duty"\ntypes = ["{wanted}"]\n[[escalations.steps]]\npeople = ["kim"]\n'
    )
    file = tmp_path / "alarms.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        check(file)
    assert [problem.key for problem in refused.value.problems] == ["routes[0].types[1]", "escalations[0].types[0]"]
    assert all(problem.message.startswith(said) for problem in refused.value.problems)


def test_types_families_and_those_of_another_distribution_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "alarms.toml"
    types = '["radiation", "access.forced", "integrity.route_failed", "acme.lasers"]'
    file.write_text(f'[[routes]]\nname = "log"\nkind = "log"\ntypes = {types}\n', encoding="utf-8")
    check(file)


def test_route_that_is_a_way_to_nobody_and_a_way_that_is_no_route_are_refused(tmp_path: Path) -> None:
    mail = (
        '[[routes]]\nname = "mail"\nkind = "smtp"\nhost = "127.0.0.1"\nsender = "hub@port.example"\nsecurity = "none"\n'
    )
    person = '[[people]]\nname = "kim"\nways = [{ route = "pager" }]\n'
    found = mistakes(tmp_path, mail + person)
    assert any("there is no route called pager" in each for each in found), found
    assert any("nobody is reached by mail: make it a way of somebody in [[people]]" in each for each in found), found


def test_two_routes_of_one_name_are_refused(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, '[[routes]]\nname = "x"\nkind = "log"\n' * 2)
    assert "several called x" in found


def test_mistakes_of_every_stage_are_told_at_once_with_their_keys(tmp_path: Path) -> None:
    file = tmp_path / "alarms.toml"
    file.write_text(
        f"""
colour = "red"
instructions_file = "{tmp_path}/none.toml"
[[routes]]
name = "duty"
kind = "webhook"
url = "https://example.org/"
[[routes]]
name = "pigeon"
kind = "pigeon"
[[routes]]
name = "duty"
kind = "log"
min_priority = 9
[[routes]]
name = "guard"
kind = "webhook"
url = "nowhere"
secret_file = "{tmp_path}/none.key"
[[routes]]
name = "night"
kind = "webhook"
url = "http://example.org/"
secret_env = "HUBWATCH_TEST_VARIABLE_THAT_IS_NOT_SET"
allow_http = true
""",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as refused:
        check(file)
    assert [problem.key for problem in refused.value.problems] == [
        "colour",
        "instructions_file",
        "routes[0].secret_file",
        "routes[1].kind",
        "routes[2].name",
        "routes[2].min_priority",
        "routes[3].url",
        "routes[3].secret_file",
        "routes[4].secret_env",
    ]


def test_check_lists_every_file_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "alarms.toml"
    route = WEBHOOK.format(url="https://example.org/").replace("key", str(tmp_path / "none.key"), 1)
    text = f'instructions_file = "{tmp_path}/none.toml"\n[database]\npassword_file = "{tmp_path}/none.pw"\n' + route
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        check(file)
    found = [str(problem) for problem in refused.value.problems]
    assert len(found) == 3
    assert all(any(name in line for line in found) for name in ("none.toml", "none.pw", "none.key"))


@pytest.mark.parametrize(
    ("more", "action", "type_", "priority", "wanted"),
    [
        ("", Action.OPENED, "access.held", 4, True),
        ("", Action.REPEATED, "access.held", 1, False),
        ("", Action.RETURNED, "access.held", 1, False),
        ('on = ["returned"]', Action.RETURNED, "access.held", 4, True),
        ("min_priority = 2", Action.OPENED, "access.held", 2, True),
        ("min_priority = 2", Action.OPENED, "access.held", 3, False),
        ('types = ["radiation"]', Action.OPENED, "radiation.gamma", 1, True),
        ('types = ["radiation"]', Action.OPENED, "radiation", 1, True),
        ('types = ["radiation"]', Action.OPENED, "radiationish.gamma", 1, False),
        ('types = ["radiation.gamma"]', Action.OPENED, "radiation.neutron", 1, False),
    ],
)
def test_route_carries_what_it_was_asked_to(
    tmp_path: Path, more: str, action: Action, type_: str, priority: int, wanted: bool
) -> None:
    (route,) = loaded(tmp_path, f'[[routes]]\nname = "x"\nkind = "log"\n{more}\n').routes
    assert route.wants(action, type_, priority) == wanted


def uncommented(without: tuple[str, ...]) -> str:
    """Return the sample with every commented key in force, except those named."""
    keys = re.sub(r"^# (\[\[[\w.]+\]\]|\[[\w.]+\]|\w+ = .*)$", r"\1", SAMPLE, flags=re.MULTILINE)
    return "\n".join(line for line in keys.splitlines() if line.split(" = ")[0] not in without) + "\n"
