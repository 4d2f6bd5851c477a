"""What comes of readings and events at the other end: frames that every collector takes."""

from __future__ import annotations

from collections.abc import Iterable

from hubwatch_agents.readings import Observation, Reading
from hubwatch_agents.uplink.frames import FrameBuilder
from hubwatch_core import wire
from hubwatch_core.packed_frame import decode_packed, encode_packed
from hubwatch_core.packing import packed
from hubwatch_core.words import Quality

SENT = 1_795_284_000_000_000


def check_frames(found: Iterable[Observation]) -> None:
    """Fail where one would be poison to a collector, or is good without a value."""
    builder = FrameBuilder()
    for each in found:
        assert not isinstance(each, Reading) or each.quality is not Quality.GOOD or each.x is not None
        builder.add(each)
    for draft in (*builder.events(), *builder.readings()):
        frame = draft.frame("hub", "agent", "01JD3Z00000000000000000000", 1, SENT)
        wire.decode_frame(wire.encode(frame))
        decode_packed(encode_packed(packed(frame)))
