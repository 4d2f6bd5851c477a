"""Writes what collectors are offered: one transaction for a batch, exactly-once in effect.

In the transaction the ledger says which frames are new; just these are copied. Data that the database refuses is
found by halving the batch until one offer is left, which becomes a dead letter; the rest is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

import numpy as np

from hubwatch_core.errors import Transient
from hubwatch_core.hub_clock import HubClock
from hubwatch_core.message import Message
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.time_limits import said_at
from hubwatch_core.wire import Birth
from hubwatch_store import devices
from hubwatch_store.database import DatabaseConnection, DatabaseRefused, DatabaseSection, connect, hang_up, translated
from hubwatch_store.database.reading_clock import database_clock
from hubwatch_store.database.sql_files import queries
from hubwatch_store.ingest import dead_letters, events, evidence, inventory, ledger, mistrust, recent
from hubwatch_store.ingest.copy import packed
from hubwatch_store.ingest.identities import DAY_US, EpochKey, Identities
from hubwatch_store.ingest.latest import Latest
from hubwatch_store.ingest.offer import Departure, Letter, Mistrust, Notice, Offer, State
from hubwatch_store.series import Columns, aggregates, columns_of


@dataclass(slots=True)
class Written:
    """What a batch came to."""

    frames: int = 0
    duplicates: int = 0
    readings: int = 0
    events: int = 0
    dead: list[Letter] = field(default_factory=list)
    repeated: list[Offer] = field(default_factory=list)
    """Frames that were stored before."""
    stored: set[int] = field(default_factory=set)

    def add(self, other: Written) -> None:
        """Count `other` in."""
        self.frames += other.frames
        self.duplicates += other.duplicates
        self.readings += other.readings
        self.events += other.events
        self.dead += other.dead
        self.repeated += other.repeated


MOST_CLAIMS = 10
"""Sensors of one message that are named where they are another agent's; each is a finding of its own."""

Kept = dict[int, Message]
"""The messages of frames that are kept as they came, by the identity of the frame."""
Store = Callable[[Sequence[Offer]], Awaitable[Written]]


class Writer:
    """One connection that writes, made anew after every failure."""

    def __init__(
        self,
        settings: DatabaseSection,
        name: str = "hubwatch collector",
        clock: HubClock | None = None,
        *,
        own_epochs: bool = False,
        rules: devices.SayingRules | None = None,
        keep_signed: bool = False,
        keep_recent: bool = False,
    ) -> None:
        """Prepare.

        With `own_epochs` frames and births under an epoch that is another agent's are refused. With `keep_signed`
        signed frames are kept as they came, with `keep_recent` all frames for an hour.
        """
        self.settings = settings
        self.clock = clock or HubClock()
        self._name = name
        self._own_epochs = own_epochs
        self._keep_signed, self._keep_recent = keep_signed, keep_recent
        self._rights = devices.Rights(rules or devices.SayingRules())
        self._connection: DatabaseConnection | None = None
        self._identities = Identities()
        self._latest = Latest(monotonic())

    async def open(self) -> None:
        """Connect, if not connected. Raises Transient or Permanent as `pool.connect`."""
        if self._connection is None:
            self._identities = Identities()
            self._connection = await connect(self.settings, self._name)
            self.clock.set(await database_clock(self._connection))

    async def close(self) -> None:
        """Leave; what was not committed is undone by the database, and what was not settled is to be offered again."""
        connection, self._connection = self._connection, None
        self._latest = Latest(monotonic())
        if connection is not None:
            await connection.close()

    def hang_up(self) -> None:
        """Let a `write` that waits for an answer fail now, as Transient."""
        if self._connection is not None:
            hang_up(self._connection)

    @property
    def settled(self) -> bool:
        """Return whether all that follows from what was written is in the database, so that it may be acknowledged.

        What is not settled when `write` fails has to be offered again.
        """
        return not self._latest.waiting

    async def write(self, offers: Sequence[Offer]) -> Written:
        """Store a batch. Raises Transient when the database is away (offer it again), Permanent when it cannot take
        anything at all; refused offers come back in `dead`.
        """
        try:
            async with asyncio.timeout(self.settings.step_s):
                await self.open()
                return await self._write(offers)
        except TimeoutError:
            self.hang_up()
            await self.close()
            raise Transient(f"the database took more than {self.settings.step_s:g} s for a batch") from None
        except BaseException:
            self.hang_up()
            await self.close()
            raise

    async def _write(self, offers: Sequence[Offer]) -> Written:
        if self._own_epochs:
            offers = await self._with_own_epochs(offers)
        frames = [each for each in offers if isinstance(each.content, AnyFrame)]
        written = await self._by_halves(
            self._announce, [each for each in offers if not isinstance(each.content, AnyFrame)]
        )
        frames, refused = await self._sifted(frames)
        written.add(await self._by_halves(self._announce, refused))
        written.add(await self._by_halves(self._store_frames, frames))
        return written

    async def _sifted(self, offers: list[Offer]) -> tuple[list[Offer], list[Offer]]:
        """Return frames with what their agents may say, and letters about what they may not."""
        if not offers or not any(self._rights.rules):
            return offers, []
        if not await self._identities.is_current(self._connected()):
            self._rights.forget()
        sifted = await self._rights.sift(
            self._connected(), [each.content for each in offers if isinstance(each.content, AnyFrame)]
        )
        rest = [replace(each, content=part.frame) for each, part in zip(offers, sifted, strict=True)]
        return rest, [letter for each, part in zip(offers, sifted, strict=True) for letter in _letters(each, part)]

    async def _with_own_epochs(self, offers: Sequence[Offer]) -> list[Offer]:
        """Return offers with a letter in the place of each frame and birth under an epoch that is another agent's."""
        said = [each.content for each in offers if isinstance(each.content, AnyFrame | Birth)]
        with translated():
            foreign = await self._identities.foreign(self._connected(), said)
        return [_of_another(each, foreign) for each in offers] if foreign else list(offers)

    async def _by_halves(self, store: Store, offers: Sequence[Offer]) -> Written:
        try:
            with translated():
                return await store(offers)
        except DatabaseRefused as error:
            if not offers:
                raise
            if len(offers) == 1:
                with translated():
                    return await self._announce([_refused(offers[0], error)])
        half, written = len(offers) // 2, Written()
        for part in (offers[:half], offers[half:]):
            written.add(await self._by_halves(store, part))
        return written

    async def _store_frames(self, offers: Sequence[Offer]) -> Written:
        came = [(each.content, each.message.received) for each in offers if isinstance(each.content, AnyFrame)]
        frames, received = [frame for frame, _ in came], [at for _, at in came]
        kept: Kept = {}
        if self._keep_signed or self._keep_recent:
            kept = {id(each.content): each.message for each in offers}
        written = None
        while written is None:
            written = await self._try(frames, received, kept)
        if written.duplicates:
            written.repeated = [each for each in offers if id(each.content) not in written.stored]
        written.stored = set()
        return written

    async def _try(self, frames: Sequence[AnyFrame], received: Sequence[int], kept: Kept) -> Written | None:
        """Store frames in one transaction; None when what names mean has changed since it was asked."""
        connection = self._connected()
        columns = await self._prepare(connection, frames)
        latest = self._latest.plus(columns, frames, received)
        async with connection.transaction():
            if frames and not await self._identities.is_current(connection):
                return None
            written = await self._store(connection, frames, columns, kept)
            due = latest.due(monotonic())
            if due:
                await latest.write(connection)
        self._latest = Latest(monotonic()) if due else latest
        return written

    async def _prepare(self, connection: DatabaseConnection, frames: Sequence[AnyFrame]) -> Columns:
        await self._identities.learn(connection, frames)
        columns = self._columns(frames)
        days = np.unique(columns.time // DAY_US) * DAY_US
        await self._identities.prepare_days(connection, "reading", days.tolist(), self.clock.now())
        moments = [event.t for frame in frames for event in frame.events]
        await self._identities.prepare_days(connection, "event", moments, self.clock.now())
        return columns

    def _columns(self, frames: Sequence[AnyFrame]) -> Columns:
        return columns_of(frames, self._identities.channels, self._identities.tables)

    async def _announce(self, offers: Sequence[Offer]) -> Written:
        """Store what is not a frame, in a transaction of its own: two collectors then lock agents in one order."""
        connection = self._connected()
        letters = [(each, each.content) for each in offers if isinstance(each.content, Letter)]
        said = [each for each in offers if isinstance(each.content, Birth | State | Departure)]
        notices = [each.content for each in offers if isinstance(each.content, Notice)]
        await dead_letters.know_epochs(connection, [letter for _, letter in letters])
        if said:
            self._rights.forget()
        if letters or said or notices:
            async with connection.transaction():
                if said:
                    await devices.lock(connection)
                for each in sorted(said, key=_sender):
                    received, retained = each.message.received, each.message.retain
                    if isinstance(each.content, Birth):
                        at = said_at(each.content, received, retained=retained)
                        birthed = await inventory.record_birth(
                            connection, each.content, at, retained=retained, own=self._rights.rules.own
                        )
                        letters += _claims(each, birthed.claimed)
                        notices += _units(each.content, birthed.units)
                    elif isinstance(each.content, State):
                        await inventory.record_state(connection, each.content, received, retained=retained)
                    elif isinstance(each.content, Departure):
                        await devices.heard_of_departure(connection, each.content.hub, each.content.agent)
                await mistrust.tell(connection, [*notices, *(letter for _, letter in letters)])
                await dead_letters.record(connection, letters)
        return Written(dead=[letter for _, letter in letters])

    def _connected(self) -> DatabaseConnection:
        assert self._connection is not None, "write() connects"
        return self._connection

    async def _store(
        self, connection: DatabaseConnection, frames: Sequence[AnyFrame], columns: Columns, kept: Kept
    ) -> Written:
        if not frames:
            return Written()
        claimed = await ledger.claim(connection, frames, self._identities.epochs)
        new = claimed.new
        fresh = columns if len(new) == len(frames) else self._columns(new)
        if len(fresh):
            async with connection.cursor().copy(queries("readings")["copy"]) as copy:
                for chunk in packed(fresh):
                    await copy.write(chunk)
            await aggregates.note_late(connection, fresh)
        await events.copy_events(connection, new, self._identities.sensors)
        await events.record_evictions(connection, new)
        messages = [kept[id(each)] for each in new] if kept else []
        if self._keep_signed:
            await evidence.keep(connection, [each for each in messages if each.proof is not None])
        if self._keep_recent:
            await recent.keep(connection, claimed.commit, messages)
        self.clock.set(await ledger.stamp(connection, claimed))
        count = sum(len(frame.events) for frame in new)
        repeated = len(frames) - len(new)
        return Written(len(new), repeated, len(fresh), count, stored={id(each) for each in new} if repeated else set())


def _sender(offer: Offer) -> tuple[str, str]:
    content = offer.content
    return content.hub or "", content.agent or ""


def _claims(offer: Offer, claimed: Mapping[str, str]) -> list[tuple[Offer, Letter]]:
    content = offer.content
    return [
        (offer, Letter(f"sensor {sensor} is agent {owner}'s", content.hub, content.agent, kind=Mistrust.CLAIMED,
                       sensor=sensor))
        for sensor, owner in sorted(claimed.items())[:MOST_CLAIMS]
    ]  # fmt: skip


def _units(birth: Birth, changes: Mapping[str, str]) -> list[Notice]:
    return [
        Notice(Mistrust.UNIT, change, birth.hub, birth.agent, sensor=sensor)
        for sensor, change in sorted(changes.items())[:MOST_CLAIMS]
    ]


def _letters(offer: Offer, part: devices.Sifted) -> list[Offer]:
    """Return what is kept of a frame that says what its agent may not say."""
    content, found = offer.content, list[Letter]()
    for sensor in part.claimed[:MOST_CLAIMS]:
        reason = f"sensor {sensor} is another agent's"
        found.append(Letter(reason, content.hub, content.agent, kind=Mistrust.CLAIMED, sensor=sensor))
    if part.unannounced:
        names = ", ".join(part.unannounced[:MOST_CLAIMS])
        found.append(
            Letter(f"no birth announces this of {names}", content.hub, content.agent, kind=Mistrust.UNANNOUNCED)
        )
    return [Offer(offer.message, letter) for letter in found]


def _of_another(offer: Offer, foreign: Mapping[EpochKey, str]) -> Offer:
    said = offer.content
    if not isinstance(said, AnyFrame | Birth):
        return offer
    owner = foreign.get((said.hub, said.agent, said.epoch))
    return offer if owner is None else _mistrusted(offer, f"epoch {said.epoch} is that of agent {owner}")


def _mistrusted(offer: Offer, reason: str) -> Offer:
    content = offer.content
    return Offer(offer.message, Letter(reason, content.hub, content.agent, kind=Mistrust.FORGED))


def _refused(offer: Offer, error: DatabaseRefused) -> Offer:
    content = offer.content
    if isinstance(content, Letter):
        raise error
    epoch, seq = (content.epoch, content.seq) if isinstance(content, AnyFrame) else (None, None)
    letter = Letter(str(error), content.hub, content.agent, epoch, seq)
    return Offer(offer.message, letter)
