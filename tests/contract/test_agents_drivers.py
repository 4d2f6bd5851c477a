"""The checks that every driver must pass, over every kind of connection."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubwatch_agents.protocols import transports
from hubwatch_agents.readings import Reading
from hubwatch_core.clock import now_us
from hubwatch_core.words import Quality
from support.agents_rig import driving
from support.agents_transports import Rig, broker_rig, modbus_rig
from support.proxy import Proxy

MODBUS = ("tcp", "rtu", "rtu_over_tcp", "tls")
PERIOD_S = 0.1
NETWORK = pytest.mark.parametrize("rig", sorted(set(transports()) - {"rtu"}), indirect=True)
"""A serial port has no network link to break."""
_marks = itertools.count()


@pytest.fixture(params=sorted(transports()))
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    transport: str = request.param
    if transport in MODBUS:
        async with modbus_rig(transport, tmp_path) as one:
            yield one
        return
    address = request.getfixturevalue("mosquitto")
    async with broker_rig(transport, address, f"rig-{time.time_ns():x}-{next(_marks)}") as other:
        yield other


def client_of(rig: Rig) -> str:
    return f"driver-{id(rig):x}"


def is_good(reading: Reading | None, x: float) -> bool:
    return reading is not None and reading.quality is Quality.GOOD and reading.x == x


async def test_value_arrives_good_with_the_time_it_was_read(rig: Rig) -> None:
    before = now_us()
    async with driving(rig.connection, rig.devices, client_of(rig)) as (heard, _):
        await heard.until(lambda h: is_good(h.last("one", "x"), 10) and is_good(h.last("two", "x"), 10))
        first = next(r for r in heard.of("one") if r.quality is Quality.GOOD)
        assert before <= first.t <= now_us()
        assert not first.late


async def test_change_of_the_device_arrives(rig: Rig) -> None:
    async with driving(rig.connection, rig.devices, client_of(rig)) as (heard, _):
        await heard.until(lambda h: is_good(h.last("one", "x"), 10))
        await rig.set(77)
        await heard.until(lambda h: is_good(h.last("one", "x"), 77))
        assert is_good(heard.last("two", "x"), 10)


async def test_silent_device_is_bad_within_two_polls_and_a_second(rig: Rig) -> None:
    async with driving(rig.connection, rig.devices, client_of(rig)) as (heard, _):
        await heard.until(lambda h: is_good(h.last("one", "x"), 10))
        await rig.silence()
        took = await heard.until(lambda h: (r := h.last("one", "x")) and r.quality is Quality.BAD)
        last = heard.last("one", "x")
        assert last is not None
        assert last.x is None
        assert last.reason
        assert took <= 2 * PERIOD_S + 1.0 + 0.6 + 1.0, "0.6 s is the tick of drivers that wait; 1 s a busy machine"


async def test_silent_device_does_not_hurt_its_neighbour(rig: Rig) -> None:
    async with driving(rig.connection, rig.devices, client_of(rig)) as (heard, _):
        await heard.until(lambda h: is_good(h.last("one", "x"), 10) and is_good(h.last("two", "x"), 10))
        await rig.silence()
        await heard.until(lambda h: (r := h.last("one", "x")) and r.quality is Quality.BAD)
        seen = len(heard.of("two"))
        await heard.until(lambda h: len(h.of("two")) >= seen + 5)
        assert all(r.quality is Quality.GOOD for r in heard.of("two")[seen:])


async def test_device_that_comes_back_is_good_again(rig: Rig) -> None:
    async with driving(rig.connection, rig.devices, client_of(rig)) as (heard, _):
        await heard.until(lambda h: is_good(h.last("one", "x"), 10))
        await rig.silence()
        await heard.until(lambda h: (r := h.last("one", "x")) and r.quality is Quality.BAD)
        await rig.set(33)
        await rig.speak()
        await heard.until(lambda h: is_good(h.last("one", "x"), 33))


def proxy_of(rig: Rig) -> Proxy:
    assert rig.proxy is not None
    return rig.proxy


@NETWORK
async def test_link_that_is_gone_is_bad_and_comes_back_by_itself(rig: Rig) -> None:
    proxy = proxy_of(rig)
    async with driving(rig.connection, rig.devices, client_of(rig)) as (heard, _):
        await heard.until(lambda h: is_good(h.last("two", "x"), 10))
        await proxy.refuse()
        await heard.until(lambda h: all((r := h.last(s, "x")) and r.quality is Quality.BAD for s in ("one", "two")))
        await proxy.heal()
        await heard.until(lambda h: is_good(h.last("one", "x"), 10) and is_good(h.last("two", "x"), 10))


@NETWORK
async def test_link_that_never_was_there_is_bad_with_its_cause_and_good_once_it_is(rig: Rig) -> None:
    """A device on a broker or a gateway that was never reached would be told by nobody otherwise."""
    proxy = proxy_of(rig)
    await proxy.refuse()
    async with driving(rig.connection, rig.devices, client_of(rig)) as (heard, _):
        await heard.until(lambda h: all((r := h.last(s, "x")) and r.quality is Quality.BAD for s in ("one", "two")))
        for sensor in ("one", "two"):
            reason = next(iter(heard.of(sensor, "x"))).reason or ""
            assert reason.startswith("cannot connect to"), reason
            assert str(proxy.address[1]) in reason
            assert "refused" in reason
        await proxy.heal()
        await heard.until(lambda h: is_good(h.last("one", "x"), 10) and is_good(h.last("two", "x"), 10))


@NETWORK
async def test_link_that_is_cut_for_a_moment_is_taken_up_again(rig: Rig) -> None:
    proxy = proxy_of(rig)
    async with driving(rig.connection, rig.devices, client_of(rig)) as (heard, _):
        await heard.until(lambda h: is_good(h.last("two", "x"), 10))
        proxy.cut()
        await rig.set(44)
        await heard.until(lambda h: is_good(h.last("one", "x"), 44))


# A broker's silence is noticed by the keepalive of its session, after 1.5 times 5 s at least: core's own affair.
@pytest.mark.parametrize("rig", ["tcp", "rtu_over_tcp", "tls"], indirect=True)
async def test_link_that_is_half_dead_is_noticed_and_made_anew(rig: Rig) -> None:
    proxy = proxy_of(rig)
    async with driving(rig.connection, rig.devices, client_of(rig)) as (heard, _):
        await heard.until(lambda h: is_good(h.last("two", "x"), 10))
        before = proxy.accepted
        proxy.stall()
        await heard.until(lambda h: (r := h.last("two", "x")) and r.quality is Quality.BAD)
        await heard.until(lambda _: proxy.accepted > before)
        await proxy.heal()
        await heard.until(lambda h: is_good(h.last("two", "x"), 10))


async def test_no_value_is_handed_over_twice_or_stamped_anew(rig: Rig) -> None:
    async with driving(rig.connection, rig.devices, client_of(rig)) as (heard, _):
        await heard.until(lambda h: len(h.of("one")) >= 10)
    times = [r.t for r in heard.of("one")]
    assert len(times) == len(set(times))
    assert times == sorted(times)


async def test_value_without_number_is_never_good(rig: Rig) -> None:
    async with driving(rig.connection, rig.devices, client_of(rig)) as (heard, _):
        await heard.until(lambda h: is_good(h.last("one", "x"), 10))
        await rig.silence()
        await heard.until(lambda h: (r := h.last("one", "x")) and r.quality is Quality.BAD)
    assert all(r.x is not None for r in heard.readings if r.quality is Quality.GOOD)
    assert all(r.reason for r in heard.readings if r.quality is not Quality.GOOD)


async def test_driver_stops_when_told(rig: Rig) -> None:
    began = 0.0
    async with driving(rig.connection, rig.devices, client_of(rig)) as (heard, driver):
        await heard.until(lambda h: is_good(h.last("one", "x"), 10))
        assert set(driver.delays_s()) <= {"one", "two"}
        began = time.monotonic()
    assert time.monotonic() - began < 10
