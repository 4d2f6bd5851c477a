"""Keys of NATS users as its documentation shows them, and what is none."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from hubwatch_core.errors import Permanent
from hubwatch_core.jetstream.keys import read_credentials, read_seed
from support.nats_accounts import Identity, credentials

# https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def test_public_key_of_the_documented_seed_is_the_documented_one(tmp_path: Path) -> None:
    path = tmp_path / "seed"
    path.write_text(f"# a user\n{SEED}\n")
    assert read_seed(path).public == PUBLIC


def test_signature_is_the_users_and_covers_the_nonce(tmp_path: Path) -> None:
    user = Identity.make("user")
    path = tmp_path / "seed"
    path.write_text(user.seed)
    signed = base64.b64decode(read_seed(path).sign("nonce"))
    user.key.public_key().verify(signed, b"nonce")


def test_credentials_hold_a_token_and_a_seed(tmp_path: Path) -> None:
    user = Identity.make("user")
    path = tmp_path / "hub.creds"
    path.write_text(credentials("a.b.c", user))
    signer = read_credentials(path)
    assert (signer.token, signer.public) == ("a.b.c", user.public)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("#", id="nothing"),
        pytest.param(PUBLIC, id="public key"),
        pytest.param(SEED[:-1] + "X", id="checksum"),
        pytest.param(SEED[:-2], id="cut"),
        pytest.param(SEED[:10] + "1" + SEED[11:], id="no base32"),
    ],
)
def test_what_is_no_seed_is_told_with_its_file_and_without_itself(tmp_path: Path, text: str) -> None:
    path = tmp_path / "seed"
    path.write_text(text)
    with pytest.raises(Permanent, match="holds no valid NKEY seed") as caught:
        read_seed(path)
    assert SEED[:8] not in str(caught.value)


def test_credentials_without_a_seed_and_a_file_that_is_not_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "hub.creds"
    path.write_text(credentials("a.b.c", Identity.make("user")).replace("USER NKEY SEED", "SOMETHING"))
    with pytest.raises(Permanent, match="is not a NATS credentials file"):
        read_credentials(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Permanent, match="cannot be read"):
        read_credentials(path)
