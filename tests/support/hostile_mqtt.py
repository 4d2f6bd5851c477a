"""A connection of MQTT 3.1.1 that says whatever it is told to, also what no client library would."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

from hubwatch_core.config import TlsSection, client_context

WITHIN_S = 60.0
CONNACK, PUBLISH, PUBACK, SUBACK = 2, 3, 4, 9
AT_LEAST_ONCE = 1


class HostileMqtt:
    """One connection, from CONNECT on; it is cut, never ended in order."""

    def __init__(
        self, port: int, tls: TlsSection, client_id: str, will: tuple[str, bytes] | None = None, *, clean: bool = True
    ) -> None:
        flags = (2 if clean else 0) | (0x2C if will else 0)  # a will is retained, and sent at least once
        body = _text("MQTT") + bytes([4, flags, 0, 60]) + _text(client_id)
        if will is not None:
            body += _text(will[0]) + len(will[1]).to_bytes(2, "big") + will[1]
        plain = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)
        self._socket: ssl.SSLSocket = client_context(tls).wrap_socket(plain, server_hostname="127.0.0.1")
        self._number = 0
        self.heard: list[str] = []
        """Topics of what came."""
        self._send(1, 0, body)
        kind, answer = self._next()
        assert (kind, answer[1]) == (CONNACK, 0), "not let in"

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send a message; gives its number. Whether the broker takes it is not waited for."""
        self._number += 1
        flags = AT_LEAST_ONCE << 1 | int(retain)
        self._send(PUBLISH, flags, _text(topic) + self._number.to_bytes(2, "big") + payload)
        return self._number

    def publish_and_wait(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send a message and wait until the broker has it, and so all that was sent before."""
        number = self.publish(topic, payload, retain=retain)
        self._until(PUBACK, number)

    def subscribe(self, pattern: str) -> bool:
        """Ask for messages; gives whether the broker says that they will come."""
        self._number += 1
        self._send(8, 2, self._number.to_bytes(2, "big") + _text(pattern) + bytes([AT_LEAST_ONCE]))
        return self._until(SUBACK, self._number)[2] != 0x80

    def ended_by_the_broker(self) -> bool:
        """Wait for the end of the connection."""
        with suppress(OSError):
            while True:
                self._take(*self._next())
        return True

    def cut(self) -> None:
        """Vanish."""
        self._socket.close()

    def _until(self, kind: int, number: int) -> bytes:
        while True:
            came, body = self._next()
            if came == kind and int.from_bytes(body[:2], "big") == number:
                return body
            self._take(came, body)

    def _take(self, kind: int, body: bytes) -> None:
        if kind == PUBLISH:
            length = int.from_bytes(body[:2], "big")
            self.heard.append(body[2 : 2 + length].decode())

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        length, rest = b"", len(body)
        while True:
            rest, low = rest >> 7, rest & 0x7F
            length += bytes([low | (0x80 if rest else 0)])
            if not rest:
                break
        self._socket.sendall(bytes([kind << 4 | flags]) + length + body)

    def _next(self) -> tuple[int, bytes]:
        kind, length, shift = self._read(1)[0] >> 4, 0, 0
        while True:
            byte = self._read(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return kind, self._read(length)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise ConnectionResetError("the broker has ended the connection")
            data += more
        return data


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw
