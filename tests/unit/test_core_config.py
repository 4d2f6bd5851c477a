"""Configuration: every mistake at once, with file and key; environment over file, flags over both; secrets apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, SecretStr

from hubwatch_core.config import (
    ConfigId,
    Conflict,
    LogSection,
    MqttSection,
    Partial,
    Section,
    TelemetrySection,
    TlsSection,
    read_secret,
    validate,
)
from hubwatch_core.config.load import load
from hubwatch_core.config.named_files import unreadable_files
from hubwatch_core.config.sections import Port
from hubwatch_core.errors import ConfigError, Permanent, Problem

CASES = Path(__file__).parents[1] / "cases" / "config"


class DeviceSection(Section):
    """One entry of an array of tables."""

    name: ConfigId
    key: Annotated[SecretStr, Field(min_length=1)] | None = None
    key_file: Path | None = None


class TcpSection(Section):
    """One kind of an array of tables of several kinds."""

    kind: Literal["tcp"]
    name: ConfigId
    port: Port = 502


class OverTlsSection(Section):
    """Another kind, of the same name as a key of its own."""

    kind: Literal["tls"]
    name: ConfigId
    tls: TlsSection


class Settings(Section):
    """One of every kind of key."""

    agent: ConfigId
    limit: float = 1.5
    mqtt: MqttSection = Field(default_factory=MqttSection)
    telemetry: TelemetrySection = Field(default_factory=TelemetrySection)
    log: LogSection = Field(default_factory=LogSection)
    backup: MqttSection | None = None
    devices: tuple[DeviceSection, ...] = ()
    doors: dict[str, DeviceSection] = Field(default_factory=dict)
    ways: tuple[Annotated[TcpSection | OverTlsSection, Field(discriminator="kind")], ...] = ()

    @classmethod
    def conflicts_between(cls, parts: Partial[Any]) -> Iterator[Conflict]:
        """Names are there once."""
        for table in ("devices", "ways"):
            names = [entry.get("name") for _, entry in parts.every(table)]
            for index, name in enumerate(names):
                if name is not None and name in names[:index]:
                    yield (table, index, "name"), f"{name} is there twice"


def _file(folder: Path, text: str) -> Path:
    path = folder / "hub.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _problems(path: Path | None, env: dict[str, str] | None = None, **flags: object) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(Settings, path, env=env or {}, flags=flags)
    assert str(caught.value) == "\n".join(str(problem) for problem in caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in sorted(CASES.glob("*.toml"))])
def test_refused_file_reports_every_mistake_with_file_and_key(path: Path) -> None:
    found = list(_problems(path))
    for line in path.with_suffix(".problems").read_text(encoding="utf-8").splitlines():
        key, _, said = line.partition(":")
        hits = [one for one in found if one.key == key and any(each.strip() in one.message for each in said.split("|"))]
        assert hits, f"{line!r} is not among {[str(one) for one in found]}"
        found.remove(hits[0])
    assert [str(one) for one in found] == []


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in sorted(CASES.glob("*.toml"))])
def test_refusal_names_the_file_in_every_line_and_no_secret_in_any(path: Path) -> None:
    lines = [str(problem) for problem in _problems(path)]
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in lines)
    assert not any("hunter2" in line or "12345" in line for line in lines)


def test_every_case_says_what_must_be_reported() -> None:
    assert {path.stem for path in CASES.glob("*.toml")} == {path.stem for path in CASES.glob("*.problems")}


def test_mistakes_come_in_the_order_of_the_file() -> None:
    keys = [problem.key for problem in _problems(CASES / "conflicts_of_every_section.toml")]
    assert keys == [
        "agent",
        "colour",
        "mqtt.port",
        "mqtt.tls.cert_file",
        "telemetry.token_file",
    ]


def test_further_checks_see_what_is_right_with_the_indices_of_the_file(tmp_path: Path) -> None:
    path = _file(tmp_path, '[[ways]]\nkind = "pigeon"\n[[ways]]\nkind = "tcp"\nname = "a"\nport = 7\n')

    def further(parts: Partial[Settings]) -> Iterator[Problem]:
        yield from (Problem("f", f"ways[{index}].port", f"of {way.name}") for index, way in parts.entries("ways"))
        yield Problem("f", "agent", f"is {parts.get('agent')}")

    with pytest.raises(ConfigError) as caught:
        load(Settings, path, env={}, further=further)
    assert [(one.key, one.message) for one in caught.value.problems if one.where == "f"] == [("ways[1].port", "of a")]
    assert [one.key for one in caught.value.problems] == ["ways[0].kind", "ways[1].port", "agent"]


def test_values_beside_a_mistake_are_seen_as_written_and_wrong_ones_not_at_all() -> None:
    tree = {"limit": "much", "agent": "a", "mqtt": {"port": 0, "host": "h"}, "devices": [{"name": "A"}, {"name": "b"}]}
    parts, _ = validate(Settings, tree)
    assert (parts.valid, parts.get("limit"), parts.get("agent"), parts.get("mqtt")) == (None, None, "a", None)
    assert parts.get("log") == LogSection(), "what is not given is at its default"
    assert [(index, entry.name) for index, entry in parts.entries("devices")] == [(1, "b")]
    assert [(index, entry.get("name")) for index, entry in parts.every("devices")] == [(0, None), (1, "b")]


def test_files_that_cannot_be_read_are_told_beside_other_mistakes(tmp_path: Path) -> None:
    good, missing = tmp_path / "good", tmp_path / "missing"
    good.write_text("x", encoding="utf-8")
    text = (
        f'colour = 1\n[mqtt]\nusername = "u"\npassword_file = "{missing}"\n[mqtt.tls]\nca_file = "{good}"\n'
        f'[[devices]]\nname = "a"\nkey_file = "{tmp_path}"\n[doors.north]\nname = "n"\nkey_file = "{missing}"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(Settings, _file(tmp_path, text), env={}, check_files=True)
    shown = [(one.key, "TLS" if "tls" in one.key else one.message) for one in caught.value.problems]
    assert shown == [
        ("colour", "unknown key"),
        ("mqtt.password_file", f"{missing} cannot be read: No such file or directory"),
        ("mqtt.tls.ca_file", "TLS"),
        ("devices[0].key_file", f"{tmp_path} cannot be read: Is a directory"),
        ("doors.north.key_file", f"{missing} cannot be read: No such file or directory"),
        ("agent", "is required"),
    ]


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "is empty"), (b"\r\n", "is empty"), (b"\xff", "cannot be read")], ids=repr
)
def test_file_in_place_of_a_secret_must_hold_one(tmp_path: Path, content: bytes, says: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(content)
    text = f'agent = "a"\n[mqtt]\nusername = "x"\npassword_file = "{secret}"\n[backup.tls]\nca_file = "{secret}"\n'
    with pytest.raises(ConfigError) as caught:
        load(Settings, _file(tmp_path, text), env={}, check_files=True)
    problem, certificate = caught.value.problems
    assert problem.key == "mqtt.password_file"
    assert says in problem.message
    assert (certificate.key, certificate.where) == ("backup.tls.ca_file", problem.where)


def test_files_are_not_looked_for_unless_asked(tmp_path: Path) -> None:
    settings = load(Settings, _file(tmp_path, 'agent = "a"\n[backup.tls]\nca_file = "/no/such/file"\n'), env={})
    (problem,) = unreadable_files(settings, "hub.toml")
    assert str(problem) == "hub.toml: backup.tls.ca_file: /no/such/file cannot be read: No such file or directory"


def test_file_that_is_not_there_is_one_problem(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path / "missing.toml")
    assert str(problem) == f"{tmp_path}/missing.toml: cannot be read: No such file or directory"


def test_folder_in_place_of_a_file_is_one_problem(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path)
    assert str(problem) == f"{tmp_path}: cannot be read: Is a directory"


def test_everything_has_a_default_but_what_is_required() -> None:
    settings = load(Settings, None, env={}, flags={"agent": "a"})
    assert (settings.mqtt.host, settings.mqtt.port, settings.mqtt.protocol) == ("localhost", 1883, "auto")
    assert (settings.telemetry.host, settings.telemetry.port) == ("127.0.0.1", None)
    assert (settings.log.level, settings.log.format) == ("info", "auto")
    assert settings.backup is None


def test_settings_cannot_be_changed() -> None:
    settings = load(Settings, None, env={}, flags={"agent": "a"})
    with pytest.raises(ValueError, match="frozen"):
        settings.limit = 2.0  # type: ignore[misc]


def test_environment_goes_over_the_file_and_flags_over_both(tmp_path: Path) -> None:
    path = _file(tmp_path, 'agent = "file"\n[mqtt]\nhost = "file"\nport = 1\nkeepalive_s = 5\n')
    env = {"HUBWATCH_MQTT__PORT": "2", "HUBWATCH_MQTT__KEEPALIVE_S": "6"}
    settings = load(Settings, path, env=env, flags={"mqtt.keepalive_s": 7, "agent": None})
    assert settings.agent == settings.mqtt.host == "file"
    assert settings.mqtt.port == 2
    assert settings.mqtt.keepalive_s == 7


def test_environment_of_the_process_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBWATCH_AGENT", "from-env")
    monkeypatch.setenv("HUBWATCH_MQTT__TLS__CA_FILE", "ca.pem")
    settings = load(Settings)
    assert settings.agent == "from-env"
    assert settings.mqtt.tls == TlsSection(ca_file=Path("ca.pem"))


def test_variable_fills_a_section_the_file_leaves_out() -> None:
    settings = load(Settings, env={"HUBWATCH_AGENT": "a", "HUBWATCH_BACKUP__HOST": "b"})
    assert settings.backup is not None
    assert settings.backup.host == "b"


def test_variables_of_other_components_are_not_judged() -> None:
    env = {"HUBWATCH_AGENT": "a", "HUBWATCH_DATABASE__PASSWORD": "x", "HUBWATCH_REQUIRE_SERVICES": "1", "PATH": "/"}
    assert load(Settings, env=env).agent == "a"


def test_unknown_variable_inside_a_section_of_ours_is_refused() -> None:
    (problem,) = _problems(None, {"HUBWATCH_AGENT": "a", "HUBWATCH_MQTT__HOTS": "x"})
    assert str(problem) == "HUBWATCH_MQTT__HOTS: mqtt.hots: unknown key"


def test_variable_inside_a_key_that_is_no_section_is_not_ours() -> None:
    assert load(Settings, env={"HUBWATCH_AGENT": "a", "HUBWATCH_AGENT__NAME": "x"}).agent == "a"


def test_wrong_value_names_the_variable_or_flag_it_came_from(tmp_path: Path) -> None:
    path = _file(tmp_path, 'agent = "a"\n[mqtt]\nport = 1\n[log]\nlevel = "loud"\n')
    found = _problems(path, {"HUBWATCH_MQTT__PORT": "many"}, **{"mqtt.keepalive_s": 1})
    assert {(one.where, one.key) for one in found} == {
        ("HUBWATCH_MQTT__PORT", "mqtt.port"),
        ("--keepalive-s", "mqtt.keepalive_s"),
        (str(path), "log.level"),
    }


def test_variable_over_a_table_that_is_none_leaves_the_files_mistake_standing(tmp_path: Path) -> None:
    path = _file(tmp_path, 'agent = "a"\nmqtt = 5\n')
    (problem,) = _problems(path, {"HUBWATCH_MQTT__PORT": "1"})
    assert (problem.where, problem.key) == (str(path), "mqtt")


def test_mistake_without_a_file_says_so() -> None:
    (problem,) = _problems(None)
    assert str(problem) == "configuration: agent: is required"


def test_secret_comes_from_the_environment_and_is_not_shown() -> None:
    env = {"HUBWATCH_AGENT": "a", "HUBWATCH_MQTT__USERNAME": "gate", "HUBWATCH_MQTT__PASSWORD": "hunter2"}
    settings = load(Settings, env=env)
    assert read_secret(settings.mqtt.password, settings.mqtt.password_file) == "hunter2"
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_advice_for_a_secret_names_a_variable_only_where_one_is_read() -> None:
    said = {one.key: one.message for one in _problems(CASES / "secret_in_an_array_of_tables.toml")}
    assert said["devices[1].key"].endswith("name a file with key_file")


def test_secret_of_the_environment_goes_over_the_file_with_the_secret(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file", encoding="utf-8")
    assert read_secret(SecretStr("from the environment"), secret) == "from the environment"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_secret_file_is_read_without_its_line_end(tmp_path: Path, end: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(f" hunter2 ü{end}".encode())
    assert read_secret(None, secret) == " hunter2 ü"


def test_no_secret_anywhere_is_none() -> None:
    assert read_secret(None, None) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b"\n", "is empty"), (b"", "is empty"), (b"\xff\xfe", "cannot be read")],
)
def test_secret_file_that_gives_none_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(Permanent, match=f"secret file {secret} {said}"):
        read_secret(None, secret)


def test_secret_given_empty_is_refused() -> None:
    env = {"HUBWATCH_AGENT": "a", "HUBWATCH_TELEMETRY__TOKEN": ""}
    (problem,) = _problems(None, env)
    assert problem.where == "HUBWATCH_TELEMETRY__TOKEN"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_telemetry_on_loopback_needs_no_token(host: str) -> None:
    assert TelemetrySection(host=host, port=0).token is None


def test_telemetry_for_others_is_taken_with_a_token(tmp_path: Path) -> None:
    assert TelemetrySection(host="0.0.0.0", port=0, token_file=tmp_path / "token").token is None
    assert TelemetrySection(host="0.0.0.0", port=0, token=SecretStr("x")).token_file is None


def test_telemetry_that_does_not_listen_needs_no_token() -> None:
    assert TelemetrySection(host="0.0.0.0").port is None


@pytest.mark.parametrize("name", ["a", "0", "gate-7", "gamma.upper", "a" * 63])
def test_config_id_takes_what_ids_takes(name: str) -> None:
    assert load(Settings, env={"HUBWATCH_AGENT": name}).agent == name


def test_nodes_of_a_broker_are_its_host_and_the_others_in_order() -> None:
    section = MqttSection(host="a", port=1, other_brokers=("b:2", "c.example.org:65535"))
    assert section.addresses == (("a", 1), ("b", 2), ("c.example.org", 65535))


@pytest.mark.parametrize("node", ["b", "b:", ":1", "b:0", "b:65536", "b:1:2", "b b:1"])
def test_node_that_is_no_host_and_port_is_refused(tmp_path: Path, node: str) -> None:
    path = _file(tmp_path, f'agent = "a"\n[mqtt]\nother_brokers = ["{node}"]\n')
    assert all("other_brokers" in str(problem) for problem in _problems(path))
