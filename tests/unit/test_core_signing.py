"""Signatures: what they cover, how they travel, and that nothing else passes for one."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hubwatch_core.errors import Permanent, Poison
from hubwatch_core.message import Message
from hubwatch_core.signing import (
    MAX_PROOF_CHARS,
    MOST_TOGETHER,
    MessageSigner,
    Proof,
    Signed,
    is_signed_by,
    key_name,
    opened,
    way_of,
    wrapped,
)

EPOCH = "01JD3Z00000000000000000000"
TOPIC = "hubwatch/1/harbour/gate-7/frame"


def signed(seq: int, payload: bytes = b'{"v":1}') -> Signed:
    return Signed(TOPIC, EPOCH, seq, payload)


def signer() -> MessageSigner:
    return MessageSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def holds(public: bytes, message: Signed, text: str) -> bool:
    proof = Proof.parsed(text)
    try:
        statement = way_of(proof, message.leaf, {}).statement
    except Poison:
        return False
    assert statement is not None, "nothing was known"
    return is_signed_by(public, proof.signature, statement)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 31, MOST_TOGETHER, MOST_TOGETHER + 1, 2 * MOST_TOGETHER + 3])
def test_each_message_of_a_batch_is_checked_alone(count: int) -> None:
    one = signer()
    messages = [signed(seq, b"%d" % seq) for seq in range(1, count + 1)]
    proofs = one.sign(messages)
    assert all(holds(one.public, message, proof) for message, proof in zip(messages, proofs, strict=True))
    assert all(len(proof) <= MAX_PROOF_CHARS for proof in proofs)
    assert len({Proof.parsed(proof).signature for proof in proofs}) == -(-count // MOST_TOGETHER)


def test_whatever_is_changed_the_signature_does_not_hold() -> None:
    one = signer()
    message = signed(4)
    proof = one.sign([signed(3), message, signed(5)])[1]
    other = MessageSigner(Ed25519PrivateKey.generate())
    changed = [
        message._replace(topic=TOPIC.replace("gate-7", "gate-8")),
        message._replace(epoch=EPOCH[:-1] + "1"),
        message._replace(seq=5),
        message._replace(payload=b'{"v":1} '),
    ]
    assert holds(one.public, message, proof)
    assert not any(holds(one.public, each, proof) for each in changed)
    assert not holds(other.public, message, proof)


def test_the_proof_of_one_message_proves_no_other_of_its_batch() -> None:
    one = signer()
    messages = [signed(seq) for seq in range(1, 6)]
    proofs = one.sign(messages)
    for i, message in enumerate(messages):
        assert [holds(one.public, message, proof) for proof in proofs] == [i == j for j in range(5)]


def test_every_bit_of_a_proof_counts() -> None:
    one, message = signer(), signed(2)
    text = one.sign([signed(1), message, signed(3)])[1]
    data = b64decode(text + "=" * (-len(text) % 4))
    for i in range(len(data)):
        if 1 <= i < 9:  # the name of the key, which the reader looks up
            continue
        broken = bytearray(data)
        broken[i] ^= 1
        try:
            assert not holds(one.public, message, b64encode(broken).rstrip(b"=").decode()), i
        except Poison:
            continue


@pytest.mark.parametrize("text", ["", "x", "=", "ä", "A" * 104, "A" * (MAX_PROOF_CHARS + 1), "AQ" + "A" * 100])
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(Poison):
        Proof.parsed(text)


def test_a_longer_or_shorter_way_to_the_root_is_refused() -> None:
    message = signed(2)
    proof = Proof.parsed(signer().sign([signed(1), message, signed(3), signed(4)])[1])
    for path in (proof.path[:-1], (*proof.path, proof.path[0])):
        with pytest.raises(Poison):
            way_of(proof._replace(tail=b64encode(b"".join(path)).rstrip(b"=").decode()), message.leaf, {})


def test_the_bytes_of_version_1_stay() -> None:
    proofs = signer().sign([signed(1), signed(2)])
    assert signed(1).leaf.hex() == LEAF_OF_1
    assert proofs[0] == PROOF_OF_1


LEAF_OF_1 = "32cb647c8335a5d1d7f7a60adcb00fdede1468f42087ba8aeb5bd059c3f2d41f"
PROOF_OF_1 = (
    "AVZHWqdUY0dMyqEFV1jjUImx9EjrSSAq0kORB0v7S9mE9G1IWXgc9XvSihXJUw7UnKMHxq9ALXJgnbidRna2RaaBv1"
    "hZ5aBJBQACAAAAOwgoGaFKig3j4K9RrhxDLQ9O245eXo4UNRbUdZQ2UcY"
)


def test_a_proof_travels_before_the_payload_where_there_are_no_properties() -> None:
    plain = Message(TOPIC, b'{"v":1}\n', 1, False, 1, 0)
    assert opened(plain) is plain
    assert wrapped(b"x", None) == b"x"
    assert opened(replace(plain, payload=wrapped(plain.payload, "proof"))) == replace(plain, proof="proof")
    odd = opened(replace(plain, payload=b"hubwatch-signed \xff\xfe"))
    assert odd.payload == b""
    assert odd.proof is not None


def written(file: Path, key: Ed25519PrivateKey, mode: int = 0o600) -> Path:
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(mode)
    return file


def test_a_key_is_read_from_its_file(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    one = MessageSigner.from_file(written(tmp_path / "agent.key", key))
    assert one.public == key.public_key().public_bytes_raw()
    assert Proof.parsed(one.sign([signed(1)])[0]).key == key_name(one.public)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="chmod 600"):
        MessageSigner.from_file(written(tmp_path / "agent.key", Ed25519PrivateKey.generate(), 0o644))


def test_what_is_no_such_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="cannot be read"):
        MessageSigner.from_file(tmp_path / "none")
    file = tmp_path / "agent.key"
    file.write_text("no key")
    file.chmod(0o600)
    with pytest.raises(Permanent, match=r"holds no Ed25519 key \(PEM without a passphrase\)"):
        MessageSigner.from_file(file)
    other = generate_private_key(SECP256R1())
    file.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(Permanent, match="Ed25519"):
        MessageSigner.from_file(file)
