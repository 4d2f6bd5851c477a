"""Sign the end of the chain, in the database and in a file that is kept elsewhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from pydantic import Field

from hubwatch_core.audit_chain import ChainEnd
from hubwatch_core.config import SecretFile, Section
from hubwatch_store.database import translated
from hubwatch_store.database.sql_files import queries

if TYPE_CHECKING:
    from hubwatch_core.audit_signature import SignedEnd, SigningKey

EVERY = timedelta(days=1)


class AuditSection(Section):
    """The journal of acts, whose end is signed once a day where a key is given."""

    key_file: SecretFile | None = Field(None, description="Ed25519 key that signs; `hubwatch audit new-key` makes one.")
    heads: Path | None = Field(
        None, description="File that signed heads are added to; keep a copy where the database's owner cannot write."
    )


def sign(
    connection: Connection[Any], key: SigningKey, file: Path | None = None, every: timedelta = timedelta(0)
) -> SignedEnd | None:
    """Sign the end of the chain; None when nothing is new since, or when this key has signed within `every`.

    The file comes first: a signature that only the database has protects from nobody who owns that. Raises Transient
    or Permanent, which is also when the file cannot be written.
    """
    from hubwatch_core.audit_signature import write_end

    with translated():
        row = connection.execute(queries("audit")["signed"], {"key": key.public, "age": every}).fetchone()
        if row is None or row[0]:
            return None
        signed = key.sign(ChainEnd(row[1], row[2]), row[3])
        if file is not None:
            write_end(file, signed)
        values = (signed.id, signed.hash, signed.at, signed.key, signed.signature)
        connection.execute(queries("audit")["sign"], values)
    return signed


def sign_daily(connection: Connection[Any], key_file: Path, heads: Path | None) -> SignedEnd | None:
    """Sign with the key in a file, when that key has not signed for a day. Raises Transient or Permanent."""
    from hubwatch_core.audit_signature import SigningKey

    return sign(connection, SigningKey.load(key_file), heads, EVERY)
