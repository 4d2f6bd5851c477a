"""Removes from the stream what everybody has acknowledged, hub by hub, and says how full it is and who holds it up.

A purge by subject has a side effect on a consumer that the subject falls under whole: nats-server 2.9 forgets what that
consumer has delivered and nobody has acknowledged, so it is never delivered again (server/consumer.go, `purge`; the
frames of a collector killed afterwards are lost). Subjects to purge therefore have a wildcard where the version stands:
they match the same messages, and no consumer of ours covers them whole.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo, RetentionPolicy, StreamInfo
from nats.js.errors import NotFoundError

from hubwatch_core.errors import Transient
from hubwatch_core.jetstream.stream import API_TIMEOUT_S, STREAM, floor_of, translated
from hubwatch_core.jetstream.subjects import EVERYTHING, any_version, frames_in, hub_in, is_frame, may_match
from hubwatch_core.logs import get_logger

ANNOUNCEMENTS = 16
"""Births, and states, kept of one agent: enough for one that reconnects often while nobody listens."""
WORTH = 100
"""Frames of a hub from which on a purge is worth its way through all servers; sessions that trim share the work so."""
LIST_MOST = 256
"""Ref: nats-server, server/jetstream_api.go, JSApiListLimit."""

_log = get_logger("nats")


@dataclass(frozen=True, slots=True)
class Fill:
    """How full the stream is, and the consumer that has most to take still; `max_bytes` is 0 without a bound."""

    size: int
    max_bytes: int
    slowest: str
    waiting: int

    @property
    def share(self) -> float:
        """Return the share of its bound that the stream takes; 0 without a bound."""
        return self.size / self.max_bytes if self.max_bytes > 0 else 0.0

    def __str__(self) -> str:
        """Return it as a line for an operator."""
        return f"stream is {self.share:.0%} full, most waits for consumer {self.slowest} ({self.waiting} messages)"


class Trimmer:
    """Trims again and again, and remembers how far it has."""

    def __init__(self, worth: int = WORTH) -> None:
        """Begin without a memory; hubs with fewer frames than `worth` are left for later."""
        self._worth = worth
        self._done: dict[str, int] = {}
        """The place up to which frames of a hub are removed."""
        self._known: frozenset[str] = frozenset()
        self._made: object = None
        """When the stream was made."""

    async def trim(self, connection: Client) -> Fill | None:
        """Remove frames that every consumer of their hub has acknowledged, and births and states but the newest.

        Return None where there is nothing to trim. Raises StreamGone when there is no stream, Transient when the
        cluster cannot do it, or not surely, now.
        """
        with translated("the stream cannot be trimmed"):
            api = connection.jetstream(timeout=API_TIMEOUT_S)
            info = await api.stream_info(STREAM, subjects_filter=EVERYTHING)
            if info.config.retention == RetentionPolicy.INTEREST:
                return None
            self._forget_other_streams(info)
            consumers = await _consumers(connection, at_least=info.state.consumer_count)
            self._log_gone(consumers)
            await self._remove(api, info.state.subjects or {}, consumers)
        return _fill(info, consumers)

    def _forget_other_streams(self, info: StreamInfo) -> None:
        """Begin anew when the stream was deleted and made again: so do the places in it."""
        made = getattr(info, "created", None)
        if made != self._made:
            self._made = made
            self._done.clear()

    async def _remove(self, api: JetStreamContext, subjects: Mapping[str, int], consumers: list[ConsumerInfo]) -> None:
        frames: Counter[str] = Counter()
        for subject, count in subjects.items():
            if is_frame(subject):
                frames[hub_in(subject)] += count
            elif count > ANNOUNCEMENTS:
                await _thin_out(api, subject, _acknowledged_up_to(hub_in(subject), consumers))
        for hub, count in frames.items():
            acknowledged = _acknowledged_up_to(hub, consumers)
            if count >= self._worth and acknowledged > self._done.get(hub, 0):
                await api.purge_stream(STREAM, seq=acknowledged + 1, subject=any_version(frames_in(hub)))
                self._done[hub] = acknowledged

    def _log_gone(self, consumers: Sequence[ConsumerInfo]) -> None:
        """Log who is not waited for any more: removed by hand, or by the servers after `forget_after_s`."""
        known = frozenset(each.name.removesuffix("_a").removesuffix("_b") for each in consumers)
        for name in sorted(self._known - known):
            _log.warning("consumer is gone, frames are not kept for it any more", consumer=name)
        self._known = known


def _acknowledged_up_to(hub: str, consumers: Sequence[ConsumerInfo]) -> int:
    """Return the place up to which whoever takes the messages of a hub has acknowledged; 0 when nobody takes any.

    Only what a consumer says it has acknowledged counts. One that has nothing to do may just not have heard, from a
    server that is catching up, of frames the stream has already.
    """
    return min((floor_of(each) for each in consumers if _takes(each, hub)), default=0)


def _takes(consumer: ConsumerInfo, hub: str) -> bool:
    several: list[str] | None = getattr(consumer.config, "filter_subjects", None)
    filters = several or [consumer.config.filter_subject or EVERYTHING]
    return any(may_match(each, hub) for each in filters)


async def _thin_out(api: JetStreamContext, subject: str, acknowledged: int) -> None:
    """Keep the newest of what an agent has said of itself, once everybody has acknowledged all of it."""
    try:
        last = await api.get_last_msg(STREAM, subject)
    except NotFoundError:
        return
    if (last.seq or 0) <= acknowledged:
        await api.purge_stream(STREAM, subject=any_version(subject), keep=ANNOUNCEMENTS)


async def _consumers(connection: Client, at_least: int) -> list[ConsumerInfo]:
    """Return every consumer of the stream, or raise Transient: without one of them too much would be removed.

    Servers give them in pages and leave out those that do not answer, which nats-py does not tell.
    """
    found: list[ConsumerInfo] = []
    while True:
        request = json.dumps({"offset": len(found)}).encode()
        answer = await connection.request(f"$JS.API.CONSUMER.LIST.{STREAM}", request, timeout=API_TIMEOUT_S)
        page = json.loads(answer.data)
        if page.get("missing") or "error" in page:
            raise Transient(f"consumers do not answer: {page.get('missing') or page['error']}")
        found += [ConsumerInfo.from_response(each) for each in page["consumers"]]
        if len(page["consumers"]) < LIST_MOST:
            break
    if len(found) < at_least:
        raise Transient(f"only {len(found)} of {at_least} consumers are told of")
    return found


def _fill(info: StreamInfo, consumers: Sequence[ConsumerInfo]) -> Fill:
    waiting = {each.name: (each.num_pending or 0) + (each.num_ack_pending or 0) for each in consumers}
    slowest = max(waiting, key=lambda name: waiting[name], default="")
    return Fill(info.state.bytes, max(info.config.max_bytes or 0, 0), slowest, waiting.get(slowest, 0))
