"""Secrets stay secret: who may read their files, and no password in what is configured, refused, logged or stored."""

from __future__ import annotations

import importlib
import io
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from hubwatch_agents.settings import AgentSettings
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_collector.settings import CollectorSettings
from hubwatch_core import logs
from hubwatch_core.config import LogSection, Section, read_secret
from hubwatch_core.config.load import load
from hubwatch_core.config.named_files import is_marked, unreadable_files
from hubwatch_core.config.section import types_in
from hubwatch_core.config.sections import MqttSection, NatsSection, TlsSection
from hubwatch_core.errors import ConfigError, Permanent
from hubwatch_core.secret_text import carries_password, origin, without_passwords
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_ops.up import hub_model
from hubwatch_store.database import DatabaseSection

PACKAGES = ("core", "site", "store", "agents", "collector", "detectors", "alarms", "dashboards", "ops")
SECRETS = {"password", "passphrase", "secret", "token", "key", "nkey", "credentials", "url", "identity"}
"""The last word before `_file` in the name of a key whose file holds a secret."""

PASSWORD = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def sections() -> set[type[Section]]:
    """Return every section of every package."""
    for name in PACKAGES:
        package = importlib.import_module(f"hubwatch_{name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return set(_below(Section))


def _below(kind: type[Section]) -> Iterator[type[Section]]:
    for each in kind.__subclasses__():
        if each.__module__.startswith("hubwatch_"):
            yield each
        yield from _below(each)


def test_every_key_that_names_a_file_with_a_secret_is_marked_as_such() -> None:
    files = [
        (section, name)
        for section in sections()
        for name, field in section.model_fields.items()
        if name.endswith("_file") and Path in types_in(field.annotation)
    ]
    assert len(files) >= 8
    wanted = {
        (section.__name__, name) for section, name in files if name.removesuffix("_file").rpartition("_")[2] in SECRETS
    }
    marked = {(section.__name__, name) for section, name in files if is_marked(section.model_fields[name])}
    assert marked == wanted


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o602, 0o610, 0o644, 0o601, 0o777], ids=oct)
def test_secret_that_others_can_read_or_change_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD, encoding="utf-8")
    os.chown(file, 65534, -1) if os.getuid() == 0 else None  # what belongs to root may be read by its group
    file.chmod(mode)
    with pytest.raises(Permanent) as refused:
        read_secret(None, file)
    assert f"secret file {file} " in str(refused.value)
    assert f"chmod 600 {file}" in str(refused.value)
    assert PASSWORD not in str(refused.value)


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of root's")
@pytest.mark.parametrize(
    ("mode", "good"), [(0o600, True), (0o440, True), (0o640, True), (0o660, False), (0o644, False)]
)
def test_group_may_read_a_secret_of_roots(tmp_path: Path, mode: int, good: bool) -> None:
    file = tmp_path / "credential"
    file.write_text(PASSWORD, encoding="utf-8")
    file.chmod(mode)
    if good:
        assert read_secret(None, file) == PASSWORD
    else:
        with pytest.raises(Permanent, match="chmod 600"):
            read_secret(None, file)


def test_link_is_judged_by_the_file_behind_it_and_a_device_is_not_read_whole(tmp_path: Path) -> None:
    file, link = tmp_path / "..data", tmp_path / "password"
    file.write_text(PASSWORD, encoding="utf-8")
    link.symlink_to(file)
    assert read_secret(None, link) == PASSWORD
    (tmp_path / "endless").write_text("x" * (1 << 20) + "x", encoding="utf-8")
    with pytest.raises(Permanent, match="longer than any secret"):
        read_secret(None, tmp_path / "endless")


def test_check_config_finds_every_file_that_others_can_read(tmp_path: Path) -> None:
    names = ("password", "nkey", "credentials", "key")
    for name in names:
        (tmp_path / name).write_text("x", encoding="utf-8")
        (tmp_path / name).chmod(0o644)
    found = [
        *unreadable_files(MqttSection(username="u", password_file=tmp_path / "password"), "hub.toml"),
        *unreadable_files(NatsSection(nkey_file=tmp_path / "nkey"), "hub.toml"),
        *unreadable_files(NatsSection(credentials_file=tmp_path / "credentials"), "hub.toml"),
        *unreadable_files(
            TlsSection(ca_file=tmp_path / "key", cert_file=tmp_path / "key", key_file=tmp_path / "key"), "hub.toml"
        ),
    ]
    assert [each.key for each in found] == ["password_file", "nkey_file", "credentials_file", "key_file"]
    assert all("chmod 600" in each.message for each in found)


def _texts(model: type[Section], prefix: str = "") -> Iterator[str]:
    """Yield the keys of a model, and of its tables, that may hold text."""
    for name, field in model.model_fields.items():
        kinds = list(types_in(field.annotation))
        inner = [each for each in kinds if isinstance(each, type) and issubclass(each, Section)]
        if inner and tuple not in kinds and dict not in kinds:
            yield from _texts(inner[0], f"{prefix}{name}.")
        elif str in kinds or Path in kinds:
            yield f"{prefix}{name}"


def _toml(key: str, url: str) -> str:
    table, _, name = key.rpartition(".")
    return f"[{table}]\n{name} = '{url}'\n" if table else f"{name} = '{url}'\n"


URLS = (
    f"https://admin:{PASSWORD}@example.org/x",
    f"postgresql://hubwatch:{PASSWORD}@db/hubwatch",
    f"postgresql://hubwatch:{PASSWORD}/with/slashes@db/hubwatch",
    f"nats://u:{PASSWORD}@127.0.0.1:4222",
    f"mqtt://u:{PASSWORD}@broker",
)


@pytest.mark.parametrize("model", [AgentSettings, CollectorSettings, DetectorsSettings, AlarmsSettings, hub_model()])
def test_address_with_a_password_is_refused_at_every_key_and_not_repeated(model: type[Section], tmp_path: Path) -> None:
    keys = list(_texts(model))
    assert len(keys) >= 5
    file = tmp_path / "hub.toml"
    for key in keys:
        for url in URLS:
            file.write_text(_toml(key, url), encoding="utf-8")
            with pytest.raises(ConfigError) as refused:
                load(model, file, env={})
            assert key in {problem.key for problem in refused.value.problems}
            assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    "dsn",
    [
        f"host=db password={PASSWORD}",
        f"host=db sslpassword={PASSWORD}",
        f"host=db {PASSWORD}",
        f"postgresql://h/db?password={PASSWORD}",
        f"postgresql://h/db?{PASSWORD}=1",
        f"postgresql://u:{PASSWORD}%zz@h/db",
        f"postgresql://[::1/{PASSWORD}",
        f"host=db password='{PASSWORD}",
        PASSWORD,
    ],
)
def test_connection_string_with_a_password_or_a_mistake_is_not_repeated(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(f'dsn = "{dsn}"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(DatabaseSection, file, env={})
    assert "dsn: " in str(refused.value)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    "server", [f"nats://u:{PASSWORD}", f"nats://[{PASSWORD}]:1", f"nats://h:{PASSWORD}", f"{PASSWORD}://h"]
)
def test_address_of_a_server_that_is_none_is_not_repeated(server: str, tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(f'servers = ["{server}"]\n', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(NatsSection, file, env={})
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://hubwatch@localhost:5432/hubwatch", "https://example.org:8443/a?b=c:d", "nats://[::1]:4222", "a:b@c"],
)
def test_address_without_a_password_is_no_secret(url: str) -> None:
    assert not carries_password(url)
    assert without_passwords(f"see {url}") == f"see {url}"


def test_address_is_shown_as_far_as_its_port() -> None:
    assert origin(f"https://u:p@[::1]:8443/{PASSWORD}?{PASSWORD}") == "https://[::1]:8443"
    assert origin(f"https://h/{PASSWORD}") == "https://h"
    assert origin(f"https://h:{PASSWORD}") == "the address"


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_log_line_shows_the_password_of_an_address(form: str) -> None:
    out = io.StringIO()
    logs.configure(LogSection.model_validate({"format": form}), out)
    log = logs.get_logger("x")
    for url in URLS[:2]:
        log.warning(f"cannot reach {url}", where=url)
        try:
            raise OSError(url)
        except OSError as error:
            log.error("failed", exc_info=error)
    assert len(out.getvalue().splitlines()) >= 4
    assert PASSWORD not in out.getvalue()
