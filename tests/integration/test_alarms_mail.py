"""The mail route against a real mail server."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.smtp import SmtpRoute, SmtpRouteSection
from hubwatch_core.alarm import Action
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from support.alarms_examples import START_US, alarm
from support.mail_server import MailServer, mail_server
from support.ports import free_port

MESSAGE = AlarmMessage(
    "01JD3Z00000000000000000009", Action.OPENED, START_US, "system", None, alarm(),
    Instructions.load().of("radiation.gamma"), person="kim", to="kim@port.example",
)  # fmt: skip
TAKEN = DeliveryOutcome(DeliveryResult.DELIVERED, 250)


def route(port: int, **more: Any) -> SmtpRoute:
    plain = {"name": "mail", "kind": "smtp", "host": "127.0.0.1", "sender": "hubwatch@port.example"}
    return SmtpRoute(SmtpRouteSection(**{**plain, "port": port, "security": "none", "timeout_s": 10, **more}))


def text_of(server: MailServer) -> str:
    (_, mail), *_ = server.received
    return str(mail.get_content())


async def test_mail_goes_to_the_person_and_says_everything() -> None:
    async with mail_server() as server:
        assert await route(server.port).deliver(MESSAGE) == TAKEN
    ((recipients, mail),) = server.received
    assert recipients == ["kim@port.example"]
    assert mail["Subject"] == MESSAGE.short
    assert mail["Message-ID"] == "<01JD3Z00000000000000000009@port.example>"
    assert mail["References"] == "<alarm-41@port.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert text_of(server).strip().splitlines() == MESSAGE.text.splitlines()


async def test_message_for_nobody_in_particular_goes_to_those_of_the_route() -> None:
    async with mail_server() as server:
        server.refuses["gone@port.example"] = "550 no such user"
        desk = route(server.port, to=("desk@port.example", "gone@port.example"))
        outcome = await desk.deliver(replace(MESSAGE, person=None, to=None))
    assert outcome == DeliveryOutcome(DeliveryResult.DELIVERED, 250, "1 of 2 recipients were refused")
    assert [recipients for recipients, _ in server.received] == [["desk@port.example"]]


async def test_every_attempt_is_the_same_mail() -> None:
    async with mail_server("451 try later") as server:
        mail = route(server.port)
        first = await mail.deliver(MESSAGE)
        assert (first.result, first.status) == (DeliveryResult.TRANSIENT, 451)
        assert await mail.deliver(MESSAGE) == TAKEN
        assert await mail.deliver(MESSAGE) == TAKEN
    assert len({mail["Message-ID"] for _, mail in server.received}) == 1


@pytest.mark.parametrize(
    ("answer", "result"),
    [("421 closing", DeliveryResult.TRANSIENT), ("554 \x1b[2Jno", DeliveryResult.REFUSED)],
)
async def test_answer_of_the_server_is_judged_by_its_code_and_never_kept_raw(
    answer: str, result: DeliveryResult
) -> None:
    async with mail_server(answer) as server:
        outcome = await route(server.port).deliver(MESSAGE)
    assert outcome.result == result
    assert outcome.error is not None
    assert outcome.error.startswith(f"SMTP {answer[:3]}")
    assert outcome.error.isprintable()


async def test_recipient_that_is_refused_is_a_refusal() -> None:
    async with mail_server() as server:
        server.refuses["kim@port.example"] = "550 no such user"
        outcome = await route(server.port).deliver(MESSAGE)
    assert outcome == DeliveryOutcome(DeliveryResult.REFUSED, 550, "SMTP 550 no such user")


async def test_server_that_hangs_or_is_away_is_tried_again() -> None:
    async with mail_server("hang") as server:
        outcome = await route(server.port, timeout_s=0.5).deliver(MESSAGE)
    assert outcome == DeliveryOutcome(DeliveryResult.TRANSIENT, error="no answer within 0.5 s")
    away = await route(free_port()).deliver(MESSAGE)
    assert away.result is DeliveryResult.TRANSIENT


async def test_server_that_speaks_no_smtp_is_tried_again() -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\xff" * 4000 + b"\r\n")
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        outcome = await route(server.sockets[0].getsockname()[1]).deliver(MESSAGE)
    assert outcome.result is DeliveryResult.TRANSIENT


@pytest.mark.filterwarnings("ignore:Session.login_data is deprecated")  # the server warns of its own doing
async def test_password_is_sent_under_tls_and_a_wrong_one_is_a_refusal_without_it(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    secret = tmp_path / "password"
    secret.write_text("correct horse", encoding="utf-8")
    secret.chmod(0o600)
    keys = {"security": "starttls", "ca_file": tmp_path / "ca.pem", "username": "hubwatch", "password_file": secret}
    async with mail_server(password="correct horse", tls=context) as server:
        mail = route(server.port, **keys)
        assert await mail.deliver(MESSAGE) == TAKEN
        secret.write_text("hunter2", encoding="utf-8")
        refused = await mail.deliver(MESSAGE)
        assert (refused.result, refused.error) == (DeliveryResult.REFUSED, "SMTP 535")
        stranger = await route(server.port, **keys | {"ca_file": None}).deliver(MESSAGE)
        assert stranger.result is DeliveryResult.TRANSIENT
        secret.unlink()
        assert "cannot be read" in str((await mail.deliver(MESSAGE)).error)


async def test_names_from_the_field_cannot_add_a_header() -> None:
    hostile = replace(alarm(), zone="gate\r\nBcc: x@evil.example", hub="h\n\nbody")
    async with mail_server() as server:
        assert await route(server.port).deliver(replace(MESSAGE, alarm=hostile)) == TAKEN
    ((recipients, mail),) = server.received
    assert recipients == ["kim@port.example"]
    assert mail["Bcc"] is None
