"""How to reach the database, as a configuration section."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import Field, SecretStr, field_validator

from hubwatch_core.config import (
    ALLOW_PLAIN,
    Conflict,
    SecretFile,
    Section,
    first_given,
    read_secret,
    sent_in_the_clear,
)
from hubwatch_core.plain_text import one_line
from hubwatch_core.secret_text import carries_password

_QUOTED = re.compile(r'"[^"]*"?|\'[^\']*\'?')
ENCRYPTED = ("require", "verify-ca", "verify-full")
"""Modes of libpq in which it takes no link in the clear."""


class DatabaseSection(Section):
    """Which database, and how patient to be with it."""

    renamed: ClassVar[Mapping[str, str]] = {
        "retry_max_s": "max_retry_s",
        "pool_min": "min_connections",
        "pool_max": "max_connections",
    }

    dsn: str = Field(
        "postgresql://hubwatch@localhost:5432/hubwatch",
        description="Connection string of PostgreSQL or TimescaleDB itself, not of a pooler, without a password. With "
        "several hosts (a primary and standbys) the one that can be written to is taken.",
    )
    password: SecretStr | None = Field(
        None, description="Only from HUBWATCH_DATABASE__PASSWORD; in TOML use password_file."
    )
    password_file: SecretFile | None = Field(
        None, description="File that holds the password (or set HUBWATCH_DATABASE__PASSWORD)."
    )
    connect_timeout_s: Annotated[int, Field(ge=2, le=300)] = Field(5, description="Seconds a connect may take.")
    statement_timeout_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        60.0, description="Seconds a statement may take before the connection counts as hung and is closed."
    )
    max_retry_s: Annotated[float, Field(gt=0, le=300)] = Field(
        5.0, description="Longest pause between tries while the database is away."
    )
    min_connections: Annotated[int, Field(ge=0, le=100)] = Field(1, description="Connections kept open.")
    max_connections: Annotated[int, Field(ge=1, le=100)] = Field(4, description="Most connections at a time.")

    allow_plain: bool = Field(False, description=ALLOW_PLAIN)

    def conflicts(self) -> Iterator[Conflict]:
        """A password goes to nobody in between: libpq's default takes a link in the clear where it is offered one."""
        parts = conninfo_to_dict(self.dsn)
        given = first_given(password_file=self.password_file, password=self.password, dsn=parts.get("sslkey"))
        plain = parts.get("sslmode") not in ENCRYPTED
        hosts = str(parts.get("hostaddr") or parts.get("host") or "").split(",") if plain else ()
        yield from sent_in_the_clear(given, hosts, "add sslmode=verify-full to the dsn", allow_plain=self.allow_plain)

    @property
    def step_s(self) -> float:
        """Seconds one step of a loop may take: a connect, and a transaction of a few statements."""
        return 2 * self.statement_timeout_s + 2 * self.connect_timeout_s

    @field_validator("dsn")
    @classmethod
    def _readable(cls, dsn: str) -> str:
        try:
            parts = conninfo_to_dict(dsn)
        except ProgrammingError as error:
            # What libpq quotes may be the password.
            why = _QUOTED.sub("…", str(error).strip())
            raise ValueError(f"is no connection string: {one_line(why)}") from None
        if parts.get("password") or parts.get("sslpassword") or carries_password(dsn):
            raise ValueError("must hold no password: name a file with password_file or set HUBWATCH_DATABASE__PASSWORD")
        return dsn


def conninfo(settings: DatabaseSection, name: str = "hubwatch") -> str:
    """Return libpq's connection string with password, timeouts and the schema's search path; `name` shows in
    pg_stat_activity. Raises Permanent when the password file cannot be read.
    """
    # Both ends give a silent connection up after about ten seconds, so that locks do not outlive their holder.
    session = {
        "search_path": "hubwatch,public",
        "timezone": "UTC",
        "statement_timeout": f"{settings.statement_timeout_s * 1000:.0f}",
        "idle_in_transaction_session_timeout": "30000",
        "jit": "off",  # compiling the ledger's views took ten times as long as running them (2.4 s against 0.2 s)
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
    }
    parts = conninfo_to_dict(settings.dsn)
    own = str(parts.get("options") or "")
    return make_conninfo(
        settings.dsn,
        target_session_attrs=_wanted(parts),
        password=read_secret(settings.password, settings.password_file),
        application_name=name,
        connect_timeout=settings.connect_timeout_s,
        options=" ".join([own, *(f"-c {key}={value}" for key, value in session.items())]).strip(),
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=10_000,
    )


def _wanted(parts: Mapping[str, object]) -> str | None:
    """Return which of several servers is wanted: after a failover only the new primary is of use."""
    hosts = f"{parts.get('host') or ''}{parts.get('hostaddr') or ''}"
    asked = parts.get("target_session_attrs") or ("read-write" if "," in hosts else None)
    return None if asked is None else str(asked)
