"""What enrolment leaves on a gateway: the file a person wrote keeps its words, and the client id tells nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hubwatch_agents.identity.folder import EnrolledIdentity, IdentityFolder
from hubwatch_agents.identity.renewal import is_late
from hubwatch_agents.identity.toml_keys import with_keys
from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.client_id import client_id
from hubwatch_core.enrolment import EnrolmentToken
from hubwatch_core.errors import Permanent

TABLES: dict[str, dict[str, str | int]] = {
    "mqtt": {"host": "hub.example", "port": 8883},
    "mqtt.tls": {"ca_file": "/x/ca.pem"},
}


def test_file_keeps_everything_but_the_keys_that_are_set() -> None:
    text = """# my gate
hub = "rotterdam"

[mqtt]  # the uplink
# Broker's port; 8883 is usual with TLS.
# port = 1883
host = "old"  # soon gone
keepalive_s = 20

[spool]
directory = "spool"
"""
    made = with_keys(text, TABLES)
    assert (
        made
        == """# my gate
hub = "rotterdam"

[mqtt]  # the uplink
# Broker's port; 8883 is usual with TLS.
port = 8883
host = "hub.example"
keepalive_s = 20

[spool]
directory = "spool"

[mqtt.tls]
ca_file = "/x/ca.pem"
"""
    )
    assert with_keys(made, TABLES) == made


def test_keys_above_all_tables_stay_there() -> None:
    text = '# my gate\nhub = "rotterdam"\n# agent = "a"\n\n[mqtt]\nagent = 1\n'
    made = with_keys(text, {"": {"agent": "gate-7", "zone": "z"}})
    assert made == '# my gate\nhub = "rotterdam"\nagent = "gate-7"\nzone = "z"\n\n[mqtt]\nagent = 1\n'


def test_sample_can_be_set() -> None:
    from importlib import resources

    text = (resources.files("hubwatch_agents") / "sample.toml").read_text(encoding="utf-8")
    tree = tomllib.loads(with_keys(text, TABLES))
    assert (tree["mqtt"]["host"], tree["mqtt"]["tls"]["ca_file"]) == ("hub.example", "/x/ca.pem")


@pytest.mark.parametrize(
    "text", ['mqtt = { host = "a" }\n', 'mqtt.host = "a"\n', 'mqtt.tls.ca_file = "a"\n', "[mqtt]\ntls = {}\n"]
)
def test_file_that_is_written_in_another_way_is_left_alone(text: str) -> None:
    with pytest.raises(Permanent, match="cannot be changed here"):
        with_keys(text, TABLES)


def settings(key_file: Path | None) -> AgentSettings:
    tls = {"ca_file": "ca.pem", "cert_file": "a.pem", "key_file": key_file} if key_file else None
    return AgentSettings.model_validate({"hub": "h", "agent": "a", "mqtt": {"tls": tls}})


def test_client_id_of_an_agent_with_a_key_cannot_be_guessed(tmp_path: Path) -> None:
    assert client_id(settings(None)) == "hubwatch-h-a"
    names = set()
    for text in ("one", "two", "one"):
        (tmp_path / "key").write_text(text, encoding="utf-8")
        names.add(client_id(settings(tmp_path / "key")))
    assert len(names) == 2
    assert all(len(name) == len("hubwatch-h-a-") + 16 for name in names)


def test_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path / "identity")
    first, again = folder.pending_key(), folder.pending_key()
    assert first.private_bytes_raw() == again.private_bytes_raw()
    assert (folder.folder / "pending.key").stat().st_mode & 0o777 == 0o600
    assert folder.folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(Permanent, match="cannot be read"):
        folder.read()


def test_certificate_is_renewed_after_two_thirds_of_its_time() -> None:
    identity = EnrolledIdentity("h", "a", "AB", "b:1", not_before=0, not_after=90, pseudonym_key_version=1)
    assert [is_late(identity, at) for at in (59, 60, 91)] == [False, True, True]


@pytest.mark.parametrize("text", ["", "hw1.x.y", f"hw1.{'a' * 43}.{'A' * 64}", f"hw2.{'a' * 43}.{'a' * 64}"])
def test_what_is_no_token_is_said_to_be_none(text: str) -> None:
    with pytest.raises(Permanent, match="no enrolment token"):
        EnrolmentToken.parse(text)


def test_token_says_itself() -> None:
    token = EnrolmentToken("a" * 43, "b" * 64)
    assert EnrolmentToken.parse(f"{token}\n") == token
