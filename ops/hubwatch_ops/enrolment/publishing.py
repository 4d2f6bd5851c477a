"""Brings to the brokers who is revoked and who is enrolled, and ends the sessions of those who are revoked.

A broker refuses a revoked certificate when its holder connects, and leaves connections that stand alone. Mosquitto
takes the client id from the certificate, so whoever connects with one of that name takes the session over: the hub
does that with a certificate of a few minutes, and the gateway, hung up on, does not get in again. A NATS server ends
connections of users that are no more in its file.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hubwatch_core import whole_files as files
from hubwatch_core.concurrency import drain, wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.config import MqttSection, TlsSection
from hubwatch_core.errors import HubwatchError, Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_ops.enrolment.register import Register
from hubwatch_ops.enrolment.settings import EnrolmentSection
from hubwatch_ops.pki.issuer import RevokedCertificate, Subject
from hubwatch_ops.pki.nats_users import nats_users
from hubwatch_ops.pki.roles import agent_name
from hubwatch_store.database import Pool
from hubwatch_store.enrolment import RevokedKey, good_agents, revoked_serials

CHECK = "enrolment"
LOOK_EVERY_S = 5.0
"""How soon what a command has revoked is known here."""
LOOKED_WITHIN_S = 60.0
"""The database and the broker's command may each take 20 s."""
AGAIN_AFTER_S = 86_400.0
"""A list of revoked certificates that nothing was added to is made anew so often: it is good for 30 days."""
RELOAD_WITHIN_S = 20.0
TAKE_OVER_WITHIN_S = 10.0
TAKE_OVER_AFTER_S = (1.0, 10.0, 25.0)
"""Since the broker was told: it reads its files in its own time, and a gateway that was faster gets in once more."""

_log = get_logger("enrolment")


class BrokerNews:
    """What the brokers know of agents, kept as the database has it."""

    def __init__(
        self, settings: EnrolmentSection, mqtt: MqttSection, register: Register, pool: Pool, health: Health
    ) -> None:
        self._settings, self._mqtt, self._register, self._pool = settings, mqtt, register, pool
        self._health = health
        self._known: tuple[Sequence[RevokedKey], Sequence[tuple[str, str]]] | None = None
        self._told_at = 0.0
        self._ending: set[asyncio.Task[None]] = set()
        self._condition = Condition(
            CHECK, health, _log, lost="brokers do not know who is revoked", back="brokers know who is revoked"
        )

    async def run(self, stop: asyncio.Event, changed: asyncio.Event) -> None:
        """Follow the database until `stop` is set; look at once when `changed` is."""
        self._health.expect(CHECK, LOOKED_WITHIN_S)
        while not stop.is_set():
            changed.clear()
            try:
                await self.look()
                self._health.did(CHECK)
                self._condition.back()
            except (Transient, Permanent) as error:
                self._condition.lost(str(error))
            waiting = [asyncio.create_task(each.wait()) for each in (stop, changed)]
            await asyncio.wait(waiting, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            for each in waiting:
                each.cancel()
        self._health.expect_no_more(CHECK)
        await drain(self._ending)

    async def look(self) -> None:
        """Tell the brokers, where something is new. Raises Transient or Permanent; then it is tried again."""
        async with self._pool.connection() as connection:
            seen = await revoked_serials(connection), await good_agents(connection)
        if seen == self._known and monotonic() - self._told_at < AGAIN_AFTER_S:
            return
        await asyncio.to_thread(self._write, *seen)
        await self._reload()
        before = set() if self._known is None else {each.serial for each in self._known[0]}
        self._known, self._told_at = seen, monotonic()
        gone = {(each.hub, each.agent) for each in seen[0] if each.serial not in before} - set(seen[1])
        if gone and self._settings.nats_users is None and self._mqtt.tls is not None:
            task = asyncio.create_task(self._end_sessions(sorted(gone), self._mqtt.tls))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _write(self, revoked: Sequence[RevokedKey], agents: Sequence[tuple[str, str]]) -> None:
        authority, settings = self._register.authority, self._settings
        entries = [RevokedCertificate(each.serial, each.at) for each in revoked]
        text = authority.write_crl(self._register.issuer, entries)
        if settings.crl_copy is not None:
            files.write(settings.crl_copy, text)
        if settings.nats_users is not None:
            users = nats_users(settings.services, [agent_name(*each) for each in agents])
            files.write(settings.nats_users, users.encode())

    async def _reload(self) -> None:
        settings = self._settings
        if settings.broker_pid is not None:
            _hang_up_to(settings.broker_pid)
        if settings.reload_command:
            await _run(settings.reload_command)

    async def _end_sessions(self, agents: Sequence[tuple[str, str]], tls: TlsSection) -> None:
        began = monotonic()
        for after_s in TAKE_OVER_AFTER_S:
            await wait_for_event(asyncio.Event(), began + after_s - monotonic())
            for hub, agent in agents:
                try:
                    await self._take_over(agent_name(hub, agent), tls)
                    _log.info("session of revoked agent ended", hub=hub, agent=agent)
                except (HubwatchError, TimeoutError) as error:
                    _log.warning("session of revoked agent may stand", hub=hub, agent=agent, reason=str(error))

    async def _take_over(self, name: str, tls: TlsSection) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._register.issuer.issue(Subject(name), key.public_key(), timedelta(minutes=5))
        with tempfile.TemporaryDirectory(prefix="hubwatch-") as folder:
            cert_file, key_file = Path(folder) / "cert.pem", Path(folder) / "cert.key"
            files.write(cert_file, made.public_bytes(Encoding.PEM) + self._register.issuer.chain)
            plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            files.write(key_file, plain, files.SECRET)
            own = tls.model_copy(update={"cert_file": cert_file, "key_file": key_file})
            settings = self._mqtt.model_copy(update={"tls": own, "username": None, "password_file": None})
            async with asyncio.timeout(TAKE_OVER_WITHIN_S):
                await MqttSession(settings, client_id=name, name="enrolment-mqtt", refusal_ends=True).run(_nothing)


async def _nothing(_: MqttLink) -> None:
    """Being connected is all."""


def _hang_up_to(pid_file: Path) -> None:
    try:
        os.kill(int(files.read(pid_file)), signal.SIGHUP)
    except (ValueError, OSError) as error:
        raise Transient(f"the broker of {pid_file} cannot be told: {error}") from None


async def _run(command: Sequence[str]) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        raise Transient(f"enrolment.reload_command cannot be run: {error}") from None
    try:
        async with asyncio.timeout(RELOAD_WITHIN_S):
            _, said = await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        raise Transient(f"enrolment.reload_command did not end within {RELOAD_WITHIN_S:g} s") from None
    if process.returncode:
        text = said.decode("utf-8", "replace").strip()[-200:]
        raise Transient(f"enrolment.reload_command ended with {process.returncode}: {text}")
