"""No credentials in the clear to another machine: one rule for every link, told before anything is connected to."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubwatch_agents.settings import AgentSettings
from hubwatch_collector.settings import CollectorSettings
from hubwatch_core.config import MqttSection, NatsSection, Section
from hubwatch_core.config.load import load
from hubwatch_core.errors import ConfigError
from hubwatch_ops.up import load as load_hub
from hubwatch_store.database import DatabaseSection

MQTT = 'username = "u"\npassword_file = "SECRET"\n'
DSN = "postgresql://hubwatch@HOST/hubwatch"


def read(model: type[Section], text: str, folder: Path, env: dict[str, str] | None = None) -> None:
    (folder / "secret").write_text("hunter2", encoding="utf-8")
    file = folder / "file.toml"
    file.write_text(text.replace("SECRET", str(folder / "secret")), encoding="utf-8")
    load(model, file, env=env or {})


def database(dsn: str) -> str:
    return f'dsn = "{dsn}"\npassword_file = "SECRET"\n'


@pytest.mark.parametrize(
    ("model", "text", "key", "host"),
    [
        (MqttSection, f'host = "10.0.0.9"\n{MQTT}', "password_file", "10.0.0.9"),
        (MqttSection, f'other_brokers = ["two:1883"]\n{MQTT}', "password_file", "two"),
        (NatsSection, f'servers = ["nats://n1:4222"]\n{MQTT}', "password_file", "n1"),
        (NatsSection, f'servers = ["tls://n1", "n2:4222"]\n{MQTT}', "password_file", "n2"),
        (NatsSection, 'servers = ["ws://n1"]\ncredentials_file = "SECRET"', "credentials_file", "n1"),
        (NatsSection, 'servers = ["n1"]\nnkey_file = "SECRET"', "nkey_file", "n1"),
        (DatabaseSection, database("postgresql://u@db/x"), "password_file", "db"),
        (DatabaseSection, database("postgresql://u@localhost,db/x?sslmode=prefer"), "password_file", "db"),
        (DatabaseSection, database("host=h hostaddr=10.0.0.9 user=u"), "password_file", "10.0.0.9"),
    ],
)
def test_credentials_go_to_no_other_machine_in_the_clear(
    model: type[Section], text: str, key: str, host: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"would go to {host} unencrypted") as caught:
        read(model, text, tmp_path)
    assert [problem.key for problem in caught.value.problems] == [key]
    read(model, f"allow_plain = true\n{text}", tmp_path)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (MqttSection, MQTT),
        (MqttSection, f'host = "::1"\n{MQTT}'),
        (MqttSection, 'host = "other"\nusername = "u"'),
        (MqttSection, f'host = "other"\n{MQTT}[tls]\nca_file = "SECRET"'),
        (NatsSection, f'servers = ["tls://n1", "wss://n2"]\n{MQTT}'),
        (NatsSection, f'servers = ["n1"]\n{MQTT}[tls]\nca_file = "SECRET"'),
        (DatabaseSection, database("postgresql://u@127.0.0.1/x")),
        (DatabaseSection, database("postgresql:///x")),
        (DatabaseSection, database("host=/run/postgresql user=u")),
        (DatabaseSection, database("postgresql://u@db/x?sslmode=verify-full")),
        (DatabaseSection, 'dsn = "postgresql://u@db/x"'),
    ],
)
def test_what_nobody_in_between_can_read_is_taken(model: type[Section], text: str, tmp_path: Path) -> None:
    read(model, text, tmp_path)


def test_password_from_the_environment_is_no_safer(tmp_path: Path) -> None:
    env = {"HUBWATCH_MQTT__PASSWORD": "hunter2"}
    with pytest.raises(ConfigError, match="would go to other unencrypted") as caught:
        read(CollectorSettings, '[mqtt]\nhost = "other"\nusername = "u"', tmp_path, env)
    assert "hunter2" not in str(caught.value)


def test_every_component_has_the_rule(tmp_path: Path) -> None:
    agent = f'hub = "h"\nagent = "a"\n[mqtt]\nhost = "other"\n{MQTT}'
    device = f'hub = "h"\nagent = "a"\n[[connections]]\nname = "c"\ntransport = "mqtt"\nhost = "device"\n{MQTT}'
    for text, host in ((agent, "other"), (device, "device")):
        with pytest.raises(ConfigError, match=f"would go to {host} unencrypted"):
            read(AgentSettings, text, tmp_path)
    file = tmp_path / "hub.toml"
    file.write_text(f'[mqtt]\nhost = "other"\n{MQTT}[database]\n{database(DSN)}', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_hub(file)
    assert {problem.key for problem in caught.value.problems} >= {"mqtt.password_file", "database.password_file"}
