"""Inputs of 256 KiB that are made to cost an agent as much as they can, one for each way there is."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import process_time

from hubwatch_agents.config.load import check
from hubwatch_agents.drivers.drops import DropCounters
from hubwatch_agents.drivers.mqtt.mapping import Mapper
from hubwatch_agents.drivers.mqtt.message import InboundMessage
from hubwatch_agents.drivers.mqtt.payload import MAX_BYTES
from hubwatch_agents.drivers.sparkplug.node import Node, NodeUpdate
from hubwatch_agents.drivers.sparkplug.payload import MalformedPayload, decode
from hubwatch_agents.drivers.sparkplug.sensor import MetricSensor
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile
from hubwatch_agents.values import pseudonyms
from support.agents_rig import settings_of

T = 1_795_284_000_000_000

DEVICES = [{"sensor": "s", "profile": "greedy", "parameters": {}}]
(DEVICE,) = check(settings_of({"name": "b", "transport": "mqtt", "host": "h"}, DEVICES), "test").devices
NODE = {"group": "g", "node": "n", "device": "d", "door": "Open"}
METRICS = [{"sensor": "s", "profile": "generic.sparkplug-environment", "parameters": NODE}]
(METRIC_DEVICE,) = check(settings_of({"name": "b", "transport": "sparkplug", "host": "h"}, METRICS), "test").devices


def mapper(drops: DropCounters | None = None) -> Mapper:
    assert isinstance(DEVICE.profile, MqttProfile)
    return Mapper(DEVICE, DEVICE.profile, pseudonyms.raw, drops or DropCounters())


def many(text: str, size: int, between: str = ",") -> str:
    return between.join([text] * (size // (len(text) + len(between))))


def numbered(form: str, size: int) -> str:
    return ",".join(form % i for i in range(size // (len(form) + 4)))


@dataclass(frozen=True)
class Kind:
    """One way to fill a message."""

    topic: str
    make: Callable[[int], str | bytes]

    def message(self, size: int) -> InboundMessage:
        made = self.make(size)
        payload = made.encode("utf-8", "surrogatepass") if isinstance(made, str) else made
        return InboundMessage(self.topic, payload[:MAX_BYTES], False, T)


DOCUMENTS = {
    "doubled_key_at_the_end": lambda n: "{" + numbered('"k%d":1', n) + ',"k0":1}',
    "one_key_again_and_again": lambda n: "{" + many('"a":1', n) + "}",
    "many_keys": lambda n: "{" + numbered('"k%d":1', n) + "}",
    "many_tables": lambda n: "[" + many("{}", n) + "]",
    "many_lists": lambda n: "[" + many("[]", n) + "]",
    "many_numbers": lambda n: "[" + many("1", n) + "]",
    "deep_lists": lambda n: "[" * (n // 2) + "]" * (n // 2),
    "deep_tables": lambda n: '{"a":' * (n // 6) + "1" + "}" * (n // 6),
    "deep_and_wide": lambda n: "[" + many("[" * 20 + "1" + "]" * 20, n) + "]",
    "huge_whole_number": lambda n: '{"x":' + "9" * n + "}",
    "huge_fraction": lambda n: '{"x":0.' + "9" * n + "}",
    "huge_exponent": lambda n: '{"x":1e' + "9" * n + "}",
    "long_numbers": lambda n: "[" + many("9" * 4000, n) + "]",
    "number_as_long_text": lambda n: '{"x":"' + "9" * n + '"}',
    "long_text": lambda n: '{"x":"' + "x" * n + '"}',
    "escapes": lambda n: '{"x":"' + "\\u0000" * (n // 6) + '"}',
    "half_characters": lambda n: '{"x":"' + "\\ud800" * (n // 6) + '"}',
    "wide_characters": lambda n: '{"x":"' + "\N{GRINNING FACE}" * (n // 4) + '"}',
    "blanks": lambda n: '{"x":' + " " * n + "1}",
    "blank_time": lambda n: '{"at":"' + " " * n + '"}',
    "blank_time_with_a_zone": lambda n: '{"at":"2026-11-28 21:00:00' + " " * n + 'CETX1"}',
    "nuls": lambda n: '{"x":1}' + "\0" * n,
    "samples": lambda n: '{"samples":[' + many('{"x":1,"at":"2026-11-28 21:00:00"}', n) + "]}",
    "empty_samples": lambda n: '{"samples":[' + many("{}", n) + "]}",
    "samples_that_are_numbers": lambda n: '{"samples":[' + many("7", n) + "]}",
    "samples_with_a_time_that_is_none": lambda n: '{"samples":[' + many('{"x":1,"at":"soon"}', n) + "]}",
    "events": lambda n: '{"samples":[' + numbered('{"id":%d,"card":"c","what":"knock"}', n) + "]}",
    "long_word": lambda n: '{"State":"' + "offline" * (n // 7) + '"}',
    "no_json": lambda n: "}" * n,
    "open_text": lambda n: '"' * n,
    "table_as_value": lambda n: '{"x":{' + numbered('"k%d":1', n) + "}}",
}  # fmt: skip
KINDS = {
    **{f"{name}_on_{topic}": Kind(f"g/{topic}", make) for name, make in DOCUMENTS.items()
       for topic in ("sensor", "delta", "meta")},
    "plain_text": Kind("g/text", lambda n: "x" * n),
    "plain_number": Kind("g/text", lambda n: "1" * n),
    "plain_blanks": Kind("g/text", lambda n: " " * n + "1"),
    "no_text": Kind("g/text", lambda n: b"\xff" * n),
    "word": Kind("g/lwt", lambda n: "offline" * (n // 7)),
    "blank_word": Kind("g/lwt", lambda n: " " * n),
    "quoted_word": Kind("g/lwt", lambda n: '"' * n),
}  # fmt: skip


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def up_to(size: int, part: bytes) -> bytes:
    return part * (size // len(part))


def nested(size: int) -> bytes:
    data = field(1, b"t") + b"\x69" + struct.pack("<d", 1.0)
    while len(data) < size:
        data = field(1, b"t") + field(18, field(2, data))
    return field(2, data)


PAYLOADS: dict[str, Callable[[int], bytes]] = {
    "empty_metrics": lambda n: up_to(n, field(2, b"")),
    "metrics_by_name": lambda n: up_to(n, field(2, field(1, b"Temperature") + field(4, 9) + b"\x69" + bytes(8))),
    "metrics_by_alias": lambda n: up_to(n, field(2, field(2, 1) + field(11, 7))),
    "metrics_nobody_knows": lambda n: b"".join(field(2, field(1, b"m%d" % i)) for i in range(n // 10)),
    "fields_of_one_metric": lambda n: field(2, up_to(n, field(1, b"Temperature"))),
    "numbers_of_ten_bytes": lambda n: field(2, up_to(n, field(11, 2**64 - 1))),
    "long_name": lambda n: field(2, field(1, b"n" * n)),
    "long_text": lambda n: field(2, field(1, b"Temperature") + field(15, b"\xff" * n)),
    "bytes": lambda n: field(2, field(1, b"Temperature") + field(16, b"\0" * n)),
    "dataset": lambda n: field(2, field(1, b"Temperature") + field(17, up_to(n, field(2, b"c")))),
    "template": lambda n: field(2, field(1, b"T") + field(18, up_to(n, field(2, field(1, b"a") + field(11, 1))))),
    "templates_in_templates": nested,
    "properties": lambda n: field(2, field(9, up_to(n, field(1, b"k") + field(2, field(3, 1))))),
    "unknown_fields": lambda n: up_to(n, field(99, b"")),
    "times": lambda n: up_to(n, field(1, 7)),
}


def node() -> Node:
    assert isinstance(METRIC_DEVICE.profile, SparkplugProfile)
    return Node([MetricSensor(METRIC_DEVICE, METRIC_DEVICE.profile)], 1000, DropCounters())


def message_cost_s(kind: Kind) -> float:
    """Return the processor time that the longest message of a kind costs."""
    one, message = mapper(), kind.message(MAX_BYTES)
    began = process_time()
    one.on_message(message)
    return process_time() - began


def payload_cost_s(make: Callable[[int], bytes]) -> float:
    """Return the processor time of the costliest of birth and data with a Sparkplug payload of 256 KiB."""
    data, one, costs = make(MAX_BYTES), node(), []
    for kind, device, seq in (("NBIRTH", None, 0), ("DBIRTH", "d", 1), ("DDATA", "d", 2)):
        began = process_time()
        try:
            one.on_message(NodeUpdate(kind, device, replace(decode(data), seq=seq), T))
        except MalformedPayload as error:
            one.unreadable(T, str(error))
        costs.append(process_time() - began)
    return max(costs)
