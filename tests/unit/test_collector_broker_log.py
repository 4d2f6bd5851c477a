"""What a broker's log says of those it refused, and how the log is followed; whatever a client writes into it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_collector.broker_log import MAX_LINE_CHARS, BrokerLogReader, Refusal
from hubwatch_collector.log_following import MOST_BEHIND_BYTES, MOST_BYTES, MOST_LINE_BYTES, LogFollower
from hubwatch_store.ingest import Mistrust

NATS = "[20451] 2026/11/30 03:10:52.053359 [ERR] 10.7.0.9:34963 - mid:4 - "
GATE_7 = ("harbour", "gate-7")
DENIED = "1796008207: Denied PUBLISH from {} (d0, q1, r0, m3, '{}', ... (1 bytes))"

LOGINS = {
    "1796008207: Client <unknown> disconnected, not authorised.": "not authorised",
    "2026-11-30T03:10:07: Client <unknown> disconnected, not authorised.": "not authorised",
    "Nov  3 03:10:07 hub mosquitto[812]: Client gate disconnected, not authorised.": "not authorised",
    "1796008210: OpenSSL Error[0]: error:0A0000C7:SSL routines::peer did not return a certificate": (
        "peer did not return a certificate"
    ),
    "1796008216: Client connection from 10.7.0.9 failed: error:0A000086:SSL routines::certificate verify failed.": (
        "certificate verify failed, from 10.7.0.9"
    ),
    "1796008216: OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed": "certificate verify failed",
    f'{NATS}"b" - authentication error - User ""': "authentication error",
    f"1796008207: Client {'x' * 400} disconnected, not authorised.": "not authorised",
    f"{NATS}TLS handshake error: tls: client didn't provide a certificate": "didn't provide a certificate",
    f'{NATS}TLS handshake error: tls: failed to verify client certificate: x509: signed by "x"': "failed to verify",
}
TOPICS = {
    DENIED.format("harbour/gate-7", "hubwatch/1/harbour/gate-8/frame"): "publish to hubwatch/1/harbour/gate-8/frame",
    DENIED.format("harbour/gate-7", "t" * 2000)[:999]: "publish to ttt",
    f'{NATS}"a" - Publish Violation - User "CN=harbour/gate-7", Subject "hubwatch.1.x.y.frame"': "publish to hubwatch",
    f'{NATS}"a" - Subscription Violation - User "CN=harbour/gate-7", Subject "x", SID x': "may not subscribe to x",
}
NOTHING = [
    "",
    "1796008207: New client connected from 127.0.0.1:38121 as harbour/gate-7 (p5, c1, k60, u'harbour/gate-7').",
    "1796008207: Client connection from 127.0.0.1 failed: error:0A000126:SSL routines::unexpected eof while reading.",
    f"{NATS}TLS handshake error: EOF",
    f'{NATS}"b" - unable to connect: authentication error',
    "Client x disconnected, not authorised." + " " * MAX_LINE_CHARS,
]


def read(*lines: str) -> Refusal | None:
    reader = BrokerLogReader()
    return [reader.refusal(line) for line in lines][-1]


@pytest.mark.parametrize("line", LOGINS)
def test_refused_login_is_recognised_and_names_no_agent(line: str) -> None:
    found = read(line)
    assert found is not None
    assert (found.kind, found.agent) == (Mistrust.LOGIN, None)
    assert LOGINS[line] in found.reason


@pytest.mark.parametrize("line", TOPICS)
def test_refused_topic_is_recognised_and_names_its_agent(line: str) -> None:
    found = read(line)
    assert found is not None
    assert (found.kind, found.agent) == (Mistrust.TOPIC, GATE_7)
    assert TOPICS[line] in found.reason


@pytest.mark.parametrize("line", NOTHING)
def test_other_lines_say_nothing(line: str) -> None:
    assert read(line) is None


def test_address_is_that_of_the_line_or_of_the_newest_connection() -> None:
    refused = "1: Client <unknown> disconnected, not authorised.".replace("1:", "1796008207:")
    assert "unknown address" in str(read(refused))
    assert "10.7.0.66" in str(read("1796008207: New connection from 10.7.0.66:4711 on port 8883.", refused))
    assert "from 10.7.0.9" in str(read(f'{NATS}"b" - authentication error - User ""'))


def test_service_is_no_agent() -> None:
    found = read(DENIED.format("collector", "hubwatch/1/harbour/gate-8/frame"))
    assert found is not None
    assert found.agent is None
    assert "collector may not publish" in found.reason


def connected(who: str) -> list[str]:
    return [
        f"1796056917: New client connected from 127.0.0.1:52573 as {who} (p5, c1, k60, u'{who}').",
        "1796056917: Will message specified (6 bytes) (r1, q1).",
    ]


SUBSCRIBED = "1796056913: harbour/gate-7 1 {}"
WILL = "1796056917: \t{}"


BEYOND = [
    "hubwatch/#", "#", "+/1/+/+/frame", "$share/collector/hubwatch/1/+/+/frame", "hubwatch/1/harbour/gate-7/frame",
    "hubwatch/rollcall/harbour/gate-8/answer", "hubwatch/rollcall/harbour/+/answer",
]  # fmt: skip


@pytest.mark.parametrize("topic", BEYOND)
def test_subscription_beyond_an_agents_own_is_told_though_mosquitto_grants_it(topic: str) -> None:
    found = read(SUBSCRIBED.format(topic))
    assert found == Refusal(Mistrust.TOPIC, f"harbour/gate-7 may not subscribe to {topic}", GATE_7)


@pytest.mark.parametrize("topic", ["hubwatch/1/harbour/gate-8/state", "hubwatch/rollcall/harbour/gate-7/answer"])
def test_will_beyond_an_agents_own_is_told_of_who_has_just_connected(topic: str) -> None:
    found = read(*connected("harbour/gate-7"), WILL.format(topic))
    assert found == Refusal(Mistrust.TOPIC, f"harbour/gate-7 may not leave a will at {topic}", GATE_7)
    assert read(WILL.format(topic)) is None
    between = "1796056917: New connection from 127.0.0.1:54207 on port 11575."
    assert read(*connected("harbour/gate-7"), between, WILL.format(topic)) is None


def test_an_agents_own_a_sites_own_and_services_subscriptions_and_wills_are_nothing_to_tell() -> None:
    own = ["hubwatch/rollcall/harbour/gate-7/answer", "devices/#", "$share/x/devices/+", "$SYS/broker/uptime"]
    assert [read(SUBSCRIBED.format(topic)) for topic in own] == [None] * 4
    assert read("1796056913: collector 1 hubwatch/1/+/+/frame") is None
    assert read(*connected("harbour/gate-7"), WILL.format("hubwatch/1/harbour/gate-7/state")) is None


def test_what_a_client_writes_into_a_line_is_not_taken_for_the_brokers_words() -> None:
    forged = "x', ... (1 bytes)) Denied PUBLISH from harbour/gate-8 (d0, q1, r0, m3, 'y"
    found = read(DENIED.format("harbour/gate-7", forged))
    assert found is not None
    assert found.agent == GATE_7
    login = "1796008207: Client <unknown> disconnected, not authorised."
    found = read(DENIED.format("harbour/gate-7", login))
    assert found is not None
    assert found.kind is Mistrust.TOPIC
    assert read(f'[1] 2026/11/30 03:10:52.053359 [INF] 10.7.0.9:1 - mid:4 - "{login}"') is None


@given(st.text() | st.builds(DENIED.format, st.text(), st.text()))
def test_no_line_breaks_the_reader(line: str) -> None:
    read(line)


# -- following ---------------------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "broker.log"
    file.write_text("before\n", encoding="utf-8")
    return file


def add(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(text)


def test_what_is_added_is_read_line_by_line_and_what_was_there_before_is_not(log: Path) -> None:
    follower = LogFollower(log)
    assert follower.lines() == []
    add(log, "one\ntw")
    assert follower.lines() == ["one"]
    add(log, "o\n")
    assert follower.lines() == ["two"]
    follower.close()


def test_log_that_was_replaced_is_read_to_its_end_and_the_new_one_from_its_begin(log: Path) -> None:
    follower = LogFollower(log)
    follower.lines()
    add(log, "last\n")
    os.replace(log, log.with_suffix(".1"))
    assert follower.lines() == ["last"]
    assert follower.lines() == []  # there is no new one yet
    log.write_text("first\n", encoding="utf-8")
    assert follower.lines() == ["first"]
    follower.close()


def test_log_that_was_emptied_is_read_from_its_begin(log: Path) -> None:
    follower = LogFollower(log)
    follower.lines()
    log.write_text("new\n", encoding="utf-8")
    assert follower.lines() == ["new"]
    follower.close()


def test_rest_of_a_line_whose_begin_was_not_read_is_no_line(log: Path) -> None:
    add(log, "begin of a line, ")
    follower = LogFollower(log)
    assert follower.lines() == []
    forged = DENIED.format("harbour/gate-8", "x")
    add(log, f"{forged}\nwhole\n")
    assert follower.lines() == ["whole"]
    add(log, "x" * (MOST_LINE_BYTES + 1))
    assert follower.lines() == []
    add(log, f"{forged}\n")
    assert follower.lines() == []
    add(log, "x" * MOST_BEHIND_BYTES + "y" * MOST_BYTES + f"{forged}\nlast\n")
    while (found := follower.lines()) == []:
        pass
    assert found == ["last"]
    follower.close()


def test_what_is_too_much_is_skipped_and_counted(log: Path) -> None:
    follower = LogFollower(log)
    follower.lines()
    with log.open("ab") as file:
        file.truncate(log.stat().st_size + MOST_BEHIND_BYTES + MOST_BYTES)
    add(log, "\nlast\n")
    found = follower.lines() + follower.lines()
    assert found[-1] == "last"
    assert follower.skipped_bytes > MOST_BEHIND_BYTES - MOST_BYTES
    follower.close()


def test_line_without_an_end_is_not_kept_for_ever(log: Path) -> None:
    follower = LogFollower(log)
    follower.lines()
    add(log, "x" * (MOST_LINE_BYTES + 1))
    assert follower.lines() == []
    assert follower.skipped_bytes == MOST_LINE_BYTES + 1
    follower.close()


def test_log_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LogFollower(tmp_path / "none").lines()
