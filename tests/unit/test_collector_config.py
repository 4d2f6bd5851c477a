from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hubwatch_collector.cli import app
from hubwatch_collector.settings import BrokerLogSection, CollectorSettings
from hubwatch_core.config import NatsSection
from hubwatch_core.config.load import load
from hubwatch_core.errors import ConfigError
from hubwatch_ops.samples import IN_FORCE

SAMPLE = (resources.files("hubwatch_collector") / "sample.toml").read_text(encoding="utf-8")
NOT_PLAIN_DEFAULTS = {
    "heads",
    "username",
    "password_file",
    "ca_file",
    "cert_file",
    "key_file",
    "token_file",
    "client_id",
    "credentials_file",
    "nkey_file",
    "max_bytes",
}
"""Keys without a default, or with one that depends on the machine; the sample shows an example."""


def uncommented() -> str:
    return re.sub(r"^# ((?:[a-z_]+ = )|\[)", r"\1", SAMPLE, flags=re.MULTILINE)


def test_every_key_of_the_sample_exists_and_shows_its_default_unless_it_is_in_force() -> None:
    tree = tomllib.loads(uncommented())
    plain = CollectorSettings.model_validate(IN_FORCE["collector"]).model_dump(mode="json")
    plain["nats"] = NatsSection().model_dump(mode="json")
    plain["broker_log"] = {
        "file": "/var/log/mosquitto/mosquitto.log",
        "hub": "rotterdam",
        "nats_monitor": "http://127.0.0.1:8222",
    }
    for section, keys in tree.items():
        for key, value in keys.items():
            if key != "tls" and key not in NOT_PLAIN_DEFAULTS and (section, key) != ("telemetry", "port"):
                assert plain[section][key] == value, f"{section}.{key}"


def test_the_sample_shows_every_key() -> None:
    tree = tomllib.loads(uncommented())
    for name, field in CollectorSettings.model_fields.items():
        section: Any = {"nats": NatsSection, "broker_log": BrokerLogSection}.get(name, field.annotation)
        keys = set(section.model_fields) - {"password", "token"}
        assert keys - {"tls"} <= set(tree[name]), name


def test_five_mistakes_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        '[mqtt]\nport = 0\nhots = "x"\n[database]\ndsn = "nonsense nonsense"\n'
        '[intake]\nmax_held_bytes = 1\ngroup = "a/b"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(CollectorSettings, tmp_path / "c.toml", env={})
    assert {problem.key for problem in caught.value.problems} == {
        "mqtt.port",
        "mqtt.hots",
        "database.dsn",
        "intake.max_held_bytes",
        "intake.group",
    }


def test_a_password_in_the_connection_string_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[database]\ndsn = "postgresql://u:secret@db/x"\n')
    with pytest.raises(ConfigError, match="must hold no password") as caught:
        load(CollectorSettings, tmp_path / "c.toml", env={})
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize("command", [["check-config"], ["run", "-c"]], ids=["check-config", "run"])
def test_conflicts_and_files_are_told_beside_wrong_values_before_anything_connects(
    tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "c.toml").write_text(
        "[mqtt]\nport = 0\n"
        f'[mqtt.tls]\nca_file = "{tmp_path}/ca.pem"\nkey_file = "{tmp_path}/key.pem"\n'
        f'[database]\npassword_file = "{tmp_path}/pw"\n[nats]\nusername = "u"\ncredentials_file = "{tmp_path}"\n'
    )
    result = CliRunner().invoke(app, [*command, str(tmp_path / "c.toml")])
    assert result.exit_code == 2
    assert [line.split(": ")[1] for line in result.stderr.splitlines()[1:]] == [
        "mqtt.port",
        "mqtt.tls.ca_file",
        "mqtt.tls.key_file",
        "mqtt.tls.cert_file",
        "database.password_file",
        "nats.credentials_file",
    ]


def test_check_config_lists_mistakes_and_exits_2(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[intake]\nmax_batch_bytes = 0\nwhat = 1\n")
    result = CliRunner().invoke(app, ["check-config", str(tmp_path / "c.toml")])
    assert result.exit_code == 2
    assert "intake.max_batch_bytes" in result.stderr
    assert "intake.what" in result.stderr


def test_sample_config_prints_the_sample() -> None:
    assert CliRunner().invoke(app, ["sample-config"]).stdout == SAMPLE


def test_mqtt_3_1_1_has_no_place_for_signatures(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[mqtt]\nprotocol = "3.1.1"\n[intake]\nsignatures = "require"\n')
    with pytest.raises(ConfigError, match=r"mqtt\.protocol.*no place for the signatures"):
        load(CollectorSettings, tmp_path / "c.toml", env={})
