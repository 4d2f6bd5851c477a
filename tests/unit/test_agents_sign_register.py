"""A value whose sign and decimals stand in a register of their own (RKI Beacon 410)."""

from __future__ import annotations

import pytest

from hubwatch_agents.connections import TcpConnection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.modbus.jobs import jobs_of
from hubwatch_agents.drivers.modbus.raw import Image
from hubwatch_agents.profiles.modbus_schema import ModbusProfile
from hubwatch_agents.settings import DeviceSection
from hubwatch_agents.values.pseudonyms import raw
from hubwatch_core.words import Quality

PROFILE = ModbusProfile.model_validate(
    {
        "id": "signed", "title": "a value with its sign apart", "kind": "process", "source": ["this test"],
        "confidence": "generic", "protocol": "modbus",
        "channels": [
            {
                "name": "value", "unit": "ppm", "address": 3, "divisor": 2,
                "decimals_from": {"address": 4, "type": "u8_low"}, "sign_from": {"address": 4, "type": "u8_high"},
            }
        ],
    }
)  # fmt: skip
WAY = TcpConnection(transport="tcp", name="line", host="127.0.0.1")
DEVICE = Device(
    DeviceSection(sensor="it", zone="here", profile="signed", connection="line"),
    PROFILE,
    WAY,
)


@pytest.mark.parametrize(
    ("number", "sign_and_decimals", "value"),
    [(125, 0x0001, 6.25), (125, 0x0101, -6.25), (125, 0x0100, -62.5), (0, 0x0102, 0), (7, 0xFF00, -3.5)],
)
def test_value_takes_its_sign_and_decimals_from_their_register(
    number: int, sign_and_decimals: int, value: float
) -> None:
    [job] = jobs_of(WAY, [DEVICE], raw)
    image = Image()
    image.put(3, 3, [number, sign_and_decimals])
    [reading] = job.decoders[0].decode(image, 0)[0]
    assert (reading.x, reading.quality) == (value, Quality.GOOD)


def test_value_without_its_sign_is_no_value() -> None:
    [job] = jobs_of(WAY, [DEVICE], raw)
    image = Image()
    image.put(3, 3, [125])
    image.fail(3, 4, 1, "exception 2")
    [reading] = job.decoders[0].decode(image, 0)[0]
    assert (reading.x, reading.quality, reading.reason) == (None, Quality.BAD, "exception 2")
    assert [tuple(request) for request in job.plan] == [(3, 3, 2)]
