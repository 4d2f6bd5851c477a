"""What a device says costs time in proportion to its length, and 256 KiB of it are done in bounded time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.mqtt.message import InboundMessage
from hubwatch_agents.drivers.mqtt.payload import MAX_BYTES
from hubwatch_agents.drivers.sparkplug.node import Node, NodeUpdate
from hubwatch_agents.drivers.sparkplug.payload import MalformedPayload, decode
from support.doubling import assert_linear
from support.hostile_inputs import (
    KINDS,
    PAYLOADS,
    Kind,
    T,
    field,
    mapper,
    message_cost_s,
    nested,
    node,
    payload_cost_s,
)

SIZE = 40 * 1024
WORST_S = 1.0
"""Beyond it the work is not bounded, however busy the machine. The figure itself is `worst_input_cpu_s` of
`make bench ONLY=agent`."""


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_longest_message_of_every_kind_is_done_in_bounded_time(kind: Kind) -> None:
    assert min(message_cost_s(kind) for _ in range(2)) <= WORST_S


def heard(message: InboundMessage) -> None:
    """Take a message as a device's first: what came before must not make it cheaper."""
    mapper().on_message(message)


LINEAR = [
    "doubled_key_at_the_end_on_sensor", "one_key_again_and_again_on_sensor", "many_keys_on_sensor",
    "many_tables_on_sensor", "deep_and_wide_on_sensor", "samples_on_sensor", "empty_samples_on_sensor",
    "events_on_sensor", "many_keys_on_delta",
]  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_twice_the_message_costs_twice_the_time(name: str) -> None:
    kind = KINDS[name]
    assert_linear(kind.message, heard, 2 * SIZE)


def test_too_many_objects_are_no_message_and_counted() -> None:
    drops = DropCounters()
    payload = json.dumps({"samples": [{}] * 20_000}).encode()
    found = mapper(drops).on_message(InboundMessage("g/sensor", payload, False, T))
    assert drops.count("s", Cause.UNREADABLE) == 1
    assert {getattr(each, "reason", None) for each in found} == {
        "message cannot be read: 20000 objects are more than 1176"
    }


def test_state_that_deltas_add_up_to_is_bounded_and_begins_anew() -> None:
    drops = DropCounters()
    one = mapper(drops)
    for i in range(9):
        delta = {f"k{i}": "x" * (MAX_BYTES // 8), "id": 1, "x": i}
        one.on_message(InboundMessage("g/delta", json.dumps(delta).encode(), False, T + i))
    assert drops.count("s", Cause.TOO_MUCH) == 1


# -- Sparkplug ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", PAYLOADS.values(), ids=PAYLOADS)
def test_longest_sparkplug_payload_is_done_in_bounded_time(make: Callable[[int], bytes]) -> None:
    assert min(payload_cost_s(make) for _ in range(2)) <= WORST_S


STEPPED_OVER = {"long_name", "long_text", "bytes", "dataset", "templates_in_templates"}
"""One copy, or refused at once: a clock hardly sees them."""


@pytest.mark.parametrize("name", sorted(PAYLOADS.keys() - STEPPED_OVER))
def test_twice_the_sparkplug_payload_costs_twice_the_time(name: str) -> None:
    make = PAYLOADS[name]

    assert_linear(make, lambda payload: births(node(), payload), 128 * 1024)


def births(one: Node, data: bytes) -> list[Any]:
    """Take a payload as the birth of a device, and as its data."""
    try:
        payload = decode(data)
    except MalformedPayload as error:
        one.unreadable(T, str(error))
        return []
    found: list[Any] = []
    for seq, (kind, device) in enumerate((("NBIRTH", None), ("DBIRTH", "d"), ("DDATA", "d"))):
        found += one.on_message(NodeUpdate(kind, device, replace(payload, seq=seq), T))
    return found


def test_payload_with_more_metrics_than_any_node_has_is_refused() -> None:
    with pytest.raises(MalformedPayload, match="more than 20000 metrics"):
        decode(field(2, b"") * 20_001)


def test_templates_nested_without_end_are_refused() -> None:
    with pytest.raises(MalformedPayload, match="nested deeper than 8"):
        decode(nested(4000))
