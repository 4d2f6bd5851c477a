"""A chain of acts with the journals that it holds, and every way we know to change them behind its back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from hubwatch_core.audit_signature import SignedEnd, SigningKey
from hubwatch_store.audit import journal_now, sign, verify
from hubwatch_store.database import DatabaseSection, connect_sync
from support import chain_journals

TABLES = ("audit", "audit_head", "audit_signatures", "alarm_journal", *chain_journals.TABLES)
ACTS = 15 + chain_journals.ACTS

_NEW = {
    "at": "at + INTERVAL '1 us'",
    "who": "'somebody else'",
    "verified": "NOT verified",
    "hub": "coalesce(hub, '') || 'x'",
    "act": "'something else'",
    "subject": "coalesce(subject, '') || 'x'",
    "details": "coalesce(details, '{}') || '{\"more\": 1}'",
    "role": "role || 'x'",
    "salt": "decode(repeat('00', 16), 'hex')",
    "sealed": "decode(repeat('00', 32), 'hex')",
    "previous": "decode(repeat('11', 32), 'hex')",
    "hash": "decode(repeat('22', 32), 'hex')",
}
_OF_ALARMS = {
    "id": "id + 1000",
    "alarm": "alarm + 1",
    "at": "at + INTERVAL '1 us'",
    "action": "'closed'",
    "by": "'somebody else'",
    "from_state": "'returned'",
    "to_state": "'normal'",
    "note": "coalesce(note, '') || 'x'",
    "detection": "'d9'",
    "verified": "verified IS DISTINCT FROM true",
}
_ROWS = {
    "first": "id = (SELECT min(id) FROM audit)",
    "middle": "id = 6",
    "last": "id = (SELECT max(id) FROM audit)",
}
_OTHER_ROWS = {
    "former": "id = 1",
    "early": "id = 3",
    "middle": "id = 6",
    "last": "id = (SELECT max(id) FROM alarm_journal)",
}
_RECHAIN = """
DO $$
DECLARE r record; before bytea := decode(repeat('00', 32), 'hex'); n bigint := 0; own bytea; sealed bytea;
BEGIN
    FOR r IN SELECT * FROM audit ORDER BY id LOOP
        n := n + 1;
        sealed := digest_of(encode(r.salt, 'hex'), r.who, r.subject, r.details::text);
        own := digest_of(encode(before, 'hex'), n::text, (extract(epoch FROM r.at) * 1000000)::bigint::text,
            r.verified::int::text, r.hub, r.act, r.role, encode(sealed, 'hex'));
        UPDATE audit a SET id = n, sealed = r.sealed, previous = before, hash = own WHERE a.id = r.id;
        UPDATE audit a SET sealed = digest_of(encode(r.salt, 'hex'), r.who, r.subject, r.details::text) WHERE a.id = n;
        before := own;
    END LOOP;
    UPDATE audit_head SET id = n, hash = before;
END $$"""
_RESET = "UPDATE audit_head SET (id, hash) = (SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1)"
_COPY = (
    "INSERT INTO audit SELECT {id}, at, who, verified, hub, act, subject, details, role, salt, sealed, previous, hash"
    " FROM audit WHERE id = 3"
)
_ADD_ALARM = "INSERT INTO alarm_journal (alarm, action, by, to_state) SELECT min(id), 'seen', 'x', 'normal' FROM alarms"
_EMPTY = "UPDATE audit SET who = NULL, subject = NULL, details = NULL, salt = NULL WHERE id = 6"


_FIRST_DIGEST = """encode(digest_of(j.id::text, j.alarm::text, (extract(epoch FROM j.at) * 1000000)::bigint::text,
    j.action, j.by, j.from_state, j.to_state, j.note, j.detection), 'hex')"""
"""Of a row of alarms as it was before the chain held `verified`."""

_OTHERS = {
    "a row renumbered": "UPDATE audit SET id = 1000 WHERE id = 6",
    "two rows swapped": "UPDATE audit SET id = -1 * id WHERE id IN (5, 6); UPDATE audit SET id = 11 + id WHERE id < 0",
    "a row removed and the others moved up": "DELETE FROM audit WHERE id = 6; "
    "UPDATE audit SET id = -id WHERE id > 6; UPDATE audit SET id = -id - 1 WHERE id < 0; " + _RESET,
    "the last rows removed, the head reset": f"DELETE FROM audit WHERE id > {ACTS - 2}; {_RESET}",
    "all rows removed": "DELETE FROM audit",
    "all rows removed, the head reset": "DELETE FROM audit; "
    "UPDATE audit_head SET id = 0, hash = decode(repeat('00', 32), 'hex')",
    "everything truncated, the head reset": "TRUNCATE audit, audit_signatures, alarm_journal CASCADE; "
    "UPDATE audit_head SET id = 0, hash = decode(repeat('00', 32), 'hex')",
    "a row put at the end": _COPY.format(id="(SELECT max(id) + 1 FROM audit)"),
    "a row put at the end, the head set": _COPY.format(id="(SELECT max(id) + 1 FROM audit)") + "; " + _RESET,
    "a row put before all": _COPY.format(id="0"),
    "a row put in between": "UPDATE audit SET id = -id WHERE id > 6; UPDATE audit SET id = 1 - id WHERE id < 0; "
    + _COPY.format(id="7")
    + "; "
    + _RESET,
    "the head set back": "UPDATE audit_head SET (id, hash) = (SELECT id, hash FROM audit WHERE id = 6)",
    "the head's hash altered": "UPDATE audit_head SET hash = decode(repeat('33', 32), 'hex')",
    "the head removed": "DELETE FROM audit_head",
    "a row altered and the chain made anew": "UPDATE audit SET who = 'somebody else' WHERE id = 6; " + _RECHAIN,
    "a row removed and the chain made anew": "DELETE FROM audit WHERE id = 6; " + _RECHAIN,
    "the first row removed and the chain made anew": "DELETE FROM audit WHERE id = 1; " + _RECHAIN,
    "the chain made anew without signatures": "DELETE FROM audit_signatures; "
    "UPDATE audit SET who = 'somebody else' WHERE id = 6; " + _RECHAIN,
    "a row emptied, and no row says so": _EMPTY,
    "a row emptied and given another person": f"{_EMPTY}; UPDATE audit SET who = 'x' WHERE id = 6",
    "a signature's moment altered": "UPDATE audit_signatures SET at = at - INTERVAL '1 day'",
    "a signature's hash altered": "UPDATE audit_signatures SET hash = decode(repeat('44', 32), 'hex')",
    "a signature's row altered": "UPDATE audit_signatures SET id = id - 1",
    "a signature's key altered": "UPDATE audit_signatures SET key = decode(repeat('55', 32), 'hex')",
    "a signature altered": "UPDATE audit_signatures SET signature = decode(repeat('66', 64), 'hex')",
    "a signature removed": "DELETE FROM audit_signatures WHERE id = (SELECT min(id) FROM audit_signatures)",
    "every signature removed": "DELETE FROM audit_signatures",
    "a row of alarms put at the end": _ADD_ALARM,
    "two rows of alarms swapped": "UPDATE alarm_journal SET id = -id WHERE id IN (4, 5); "
    "UPDATE alarm_journal SET id = 9 + id WHERE id < 0",
    "every row of alarms removed": "DELETE FROM alarm_journal",
    "what the chain says of a row of alarms removed": "DELETE FROM audit WHERE details @> '{\"row\": 6}'",
    "a row of alarms altered in both, the chain made anew": "UPDATE alarm_journal SET by = 'x' WHERE id = 6; "
    "UPDATE audit SET details = details || jsonb_build_object('digest', (SELECT alarm_journal_digest(j) FROM"
    " alarm_journal j WHERE id = 6)) WHERE details @> '{\"row\": 6}'; " + _RECHAIN,
    "the form of a row of alarms altered in the chain": "UPDATE audit SET details = details - 'form' WHERE"
    " details @> '{\"row\": 6}'",
}
"""What is not a changed or a removed row."""


def changes() -> dict[str, str]:
    """Return each kind of change by its name: statements of somebody who owns the tables."""
    found = {
        f"{column} of the {place} row": f"UPDATE audit SET {column} = {new} WHERE {where}"
        for column, new in _NEW.items()
        for place, where in _ROWS.items()
    }
    found |= {f"the {place} row removed": f"DELETE FROM audit WHERE {where}" for place, where in _ROWS.items()}
    found |= {
        f"{column} of the {place} row of alarms": f"UPDATE alarm_journal SET {column} = {new} WHERE {where}"
        for column, new in _OF_ALARMS.items()
        for place, where in _OTHER_ROWS.items()
    }
    found |= {
        f"the {place} row of alarms removed": f"DELETE FROM alarm_journal WHERE {where}"
        for place, where in _OTHER_ROWS.items()
    }
    return found | _OTHERS | chain_journals.changes()


@contextmanager
def kept_chain(dsn: str, folder: Path) -> Iterator[KeptChain]:
    """Fill a migrated database with acts and alarms, signed twice; gives what changes them and what finds it."""
    with connect_sync(DatabaseSection(dsn=dsn)) as connection:
        chain = KeptChain(connection, SigningKey.make(folder / "key"))
        chain.fill()
        yield chain


class KeptChain:
    """A chain that is changed in one way at a time, and as it was afterwards."""

    def __init__(self, connection: psycopg.Connection[Any], key: SigningKey) -> None:
        self._connection, self._key = connection, key
        self.heads: list[SignedEnd] = []

    def fill(self) -> None:
        """Put rows there, and keep a copy of them."""
        do = self._connection.execute
        do(
            "INSERT INTO alarms (hub, sensor, type, priority, state, opened, last_active, why) SELECT 'port',"
            " 'rpm-' || i, 'radiation.gamma', 1, 'unacknowledged', now(), now(), '' FROM generate_series(1, 2) i"
        )
        do("ALTER TABLE alarm_journal DISABLE TRIGGER alarm_journal_chained")
        self._alarm_rows(2)
        self._so_far({}, _FIRST_DIGEST)
        self._alarm_rows(2)
        do(
            f"""SELECT add_to_chain('kim', false, 'port', 'alarm_journal', 'alarm ' || alarm, jsonb_build_object(
                'row', id, 'action', action, 'digest', {_FIRST_DIGEST}))
                FROM alarm_journal j WHERE id > 2 ORDER BY id""".encode()
        )
        self._so_far({"form": 2}, "alarm_journal_digest(j)")
        do("ALTER TABLE alarm_journal ENABLE TRIGGER alarm_journal_chained")
        for i in range(6):
            journal_now(self._connection, "tested", who="kim", hub="port", subject=f"s{i}", details={"i": i})
        self._sign()
        self._alarm_rows(4)
        do(chain_journals.FILL.encode())
        journal_now(self._connection, "tested", who="kim", verified=True)
        self._sign()
        # Who owns tables lifts what is in the way.
        for table in ("alarm_journal", *chain_journals.TABLES):
            do(f"ALTER TABLE {table} ALTER id SET GENERATED BY DEFAULT".encode())
        do("ALTER TABLE audit DROP CONSTRAINT audit_id_check, DROP CONSTRAINT audit_check")
        for table in TABLES:
            do(f"CREATE TEMP TABLE kept_{table} AS SELECT * FROM {table}".encode())

    def faults(self) -> list[str]:
        """Return what is found wrong."""
        return [each.what for each in verify(self._connection, self.heads, {self._key.public})]

    def found_after(self, statements: str) -> list[str]:
        """Return what is found wrong after a change, which is undone."""
        with self._connection.transaction():
            self._connection.execute("SET LOCAL session_replication_role = replica")
            self._connection.execute(statements.encode())
        try:
            return self.faults()
        finally:
            self._undo([table for table in TABLES if table in statements])

    def _undo(self, tables: Sequence[str]) -> None:
        with self._connection.transaction():
            self._connection.execute("SET LOCAL session_replication_role = replica")
            for table in tables:
                self._connection.execute(f"DELETE FROM {table}".encode())
                self._connection.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}".encode())

    def _sign(self) -> None:
        signed = sign(self._connection, self._key)
        assert signed is not None
        self.heads.append(signed)

    def _so_far(self, form: dict[str, int], digest: str) -> None:
        """Put all rows of alarms into the chain by one digest, as migrations do."""
        statement = f"""SELECT add_to_chain('system', false, NULL, 'alarm_journal so far', NULL, jsonb_build_object(
                'rows', count(*), 'until', max(id), 'digest',
                encode(digest_of(VARIADIC array_agg({digest} ORDER BY j.id)), 'hex')) || %s) FROM alarm_journal j"""
        self._connection.execute(statement.encode(), [Jsonb(form)])

    def _alarm_rows(self, count: int) -> None:
        self._connection.execute(
            "INSERT INTO alarm_journal (alarm, action, by, from_state, to_state, note, verified) SELECT 1,"
            " 'acknowledged', 'kim', 'unacknowledged', 'acknowledged', 'note ' || i, nullif(i, 1) <> 2"
            " FROM generate_series(1, %s) i",
            [count],
        )
