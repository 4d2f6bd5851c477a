"""The table of owners: who does which work, and taking over from one that is gone.

Every function works on a connection of its own session; `translated()` is around the caller's use of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.rows import dict_row

from hubwatch_core.clock import clock_text, to_us
from hubwatch_core.errors import Transient
from hubwatch_core.plain_text import one_line
from hubwatch_store.database import DatabaseConnection, queries
from hubwatch_store.ownership.machine import Process, is_over


class NameLost(Transient):
    """This process no longer owns its work; nothing was written."""


@dataclass(frozen=True, slots=True)
class WorkClaim:
    """Work that only one process may do: a kind, a name, and the hubs it is done for (empty: every hub).

    With `hubs` None only the name counts: others may do the same for the same hubs under names of their own.
    """

    kind: str
    name: str
    hubs: tuple[str, ...] | None = ()

    def __str__(self) -> str:
        """Return the work in words."""
        what = self.kind if self.name == self.kind else f"{self.kind} {self.name}"
        if self.hubs is None:
            return what
        return f"{what} of {', '.join(self.hubs)}" if self.hubs else f"{what} of every hub"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that does such work."""

    token: str
    claim: WorkClaim
    process: Process
    since: int
    beats: int

    def __str__(self) -> str:
        """Return who it is, in words."""
        return f"{one_line(str(self.process))}, since {clock_text(self.since)}"

    def excludes(self, claim: WorkClaim) -> bool:
        """Return whether that work and this cannot both be done."""
        own = self.claim
        if own.kind != claim.kind or own.name == claim.name:
            return own.kind == claim.kind
        if own.hubs is None or claim.hubs is None:
            return False
        return not own.hubs or not claim.hubs or bool(set(own.hubs) & set(claim.hubs))


async def try_claim(
    connection: DatabaseConnection, claim: WorkClaim, token: str, process: Process, silent: Mapping[str, int]
) -> list[Holder]:
    """Take the work unless a process that lives has it; return those that do, empty when it is ours.

    `silent` gives, by token, the beats of those that have not moved for too long: they are taken for dead, unless
    they have moved since. One whose process has ended on this machine is dead at once.
    """
    async with connection.transaction():
        await connection.execute(queries("ownership")["lock"])
        others = [each for each in await _holders(connection, claim.kind) if each.token != token]
        others = [each for each in others if each.excludes(claim)]
        dead = [each for each in others if silent.get(each.token) == each.beats or is_over(each.process, process)]
        living = [each for each in others if each not in dead]
        if not living:
            await _remove(connection, [each.token for each in dead])
            await _write(connection, claim, token, process)
        return living


async def _holders(connection: DatabaseConnection, kind: str) -> list[Holder]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(queries("ownership")["holders"], {"kind": kind})
        return [
            Holder(
                row["token"],
                WorkClaim(kind, row["name"], None if row["hubs"] is None else tuple(row["hubs"])),
                Process(row["host"], row["pid"], row["machine"], row["began"]),
                to_us(row["since"]),
                row["beats"],
            )
            for row in await cursor.fetchall()
        ]


async def _write(connection: DatabaseConnection, claim: WorkClaim, token: str, process: Process) -> None:
    hubs = None if claim.hubs is None else list(claim.hubs)
    values: dict[str, object] = {"token": token, "kind": claim.kind, "name": claim.name, "hubs": hubs}
    values |= {"host": process.host, "pid": process.pid, "machine": process.machine, "began": process.began}
    await connection.execute(queries("ownership")["claim"], values)


async def _remove(connection: DatabaseConnection, tokens: Sequence[str]) -> None:
    if tokens:
        await connection.execute(queries("ownership")["remove"], {"tokens": list(tokens)})


async def release(connection: DatabaseConnection, token: str) -> None:
    """Give the work back."""
    await _remove(connection, [token])


async def beat(connection: DatabaseConnection, token: str) -> tuple[int, str | None] | None:
    """Show that the owner lives; return how many were refused and the last one in words, None when it is not ours."""
    cursor = await connection.execute(queries("ownership")["beat"], {"token": token})
    row = await cursor.fetchone()
    return None if row is None else (int(str(row[0])), None if row[1] is None else str(row[1]))


async def tell_refused(connection: DatabaseConnection, holders: Sequence[Holder], who: str) -> None:
    """Tell the owners who else wanted their work."""
    await connection.execute(queries("ownership")["refuse"], {"tokens": [each.token for each in holders], "who": who})


async def still_ours(connection: DatabaseConnection, token: str | None) -> None:
    """Make sure inside a transaction that the work is still ours, to its end; raises NameLost.

    Without a token there is nothing to lose.
    """
    if token is None:
        return
    cursor = await connection.execute(queries("ownership")["ours"], {"token": token})
    if await cursor.fetchone() is None:
        raise NameLost("another process may do this work now; nothing is written until that is clear")
