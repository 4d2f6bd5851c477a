"""A NATS client that tells nobody who it is over a link that should be encrypted and is not.

nats-py encrypts when the server's greeting asks for it. The greeting comes in the clear, so whoever stands in between
may leave that out, and gets user and password as they are (nats-py 2.16, `_process_connect_init`), also where the
address begins with tls:// or a context is given.
"""

from __future__ import annotations

from nats.aio.client import Client
from nats.aio.transport import TcpTransport
from nats.errors import Error


class NatsClient(Client):
    """nats-py's client, which can insist on encryption."""

    insists_on_tls = False

    def _connect_command(self) -> bytes:
        """Return the message that says who we are: the first that is sent. Raises Error where it may not be."""
        if self.insists_on_tls and not self._is_encrypted():
            raise Error("it offers no encryption, and TLS is demanded; nothing was sent to it")
        command: bytes = super()._connect_command()
        return command

    def _is_encrypted(self) -> bool:
        transport = self._transport
        if not isinstance(transport, TcpTransport):
            return self._current_server is not None and self._current_server.uri.scheme == "wss"
        writer = transport._io_writer
        return writer is not None and writer.get_extra_info("ssl_object") is not None


def insisting(url: str, *, has_tls: bool) -> NatsClient:
    """Return a client for a server, which insists where its address or the configuration asks for TLS."""
    made = NatsClient()
    made.insists_on_tls = has_tls or url.startswith(("tls://", "wss://"))
    return made
