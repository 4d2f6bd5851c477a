"""The certificate that a process serves with, taken up anew when its files change."""

from __future__ import annotations

import ssl
from pathlib import Path

from hubwatch_core.condition import Condition
from hubwatch_core.config import ServerTlsSection, server_context
from hubwatch_core.errors import Permanent
from hubwatch_core.logs import get_logger


class ServingCertificate:
    """A TLS context for a server. Certificates live for weeks and processes for months: it follows its files.

    Raises Permanent when the files cannot be used at the start; later the former certificate stays in force.
    """

    def __init__(self, settings: ServerTlsSection, what: str = "telemetry") -> None:
        self._settings = settings
        self.context: ssl.SSLContext = server_context(settings)
        self._state = self._seen()
        self._unread = Condition(
            f"{what}-certificate",
            None,
            get_logger(what),
            lost="certificate cannot be renewed",
            back="certificate renewed",
        )

    def refresh(self) -> None:
        """Load the files if they have changed; asked before each connection."""
        state = self._seen()
        if state == self._state:
            return
        try:
            server_context(self._settings)  # tried apart: half a change must not break the one in use
            self.context.load_cert_chain(self._settings.cert_file, self._settings.key_file)
        except (Permanent, OSError) as error:
            self._unread.lost(str(error))
            return
        self._state = state
        self._unread.back()

    def _seen(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_state_of(file) for file in (self._settings.cert_file, self._settings.key_file))


def _state_of(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
