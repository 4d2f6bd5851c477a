"""One rule for every link: no credentials in the clear to another machine, unless somebody says that they may."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hubwatch_core.config.addresses import is_loopback
from hubwatch_core.config.section import Conflict

ALLOW_PLAIN = "Send credentials over links that are not encrypted; for networks that nobody else can reach."
"""What the key `allow_plain` means, wherever it stands."""


def sent_in_the_clear(
    key: str | None, hosts: Iterable[str], encryption: str, *, allow_plain: bool
) -> Iterator[Conflict]:
    """Yield that the credential at `key` may not go to `hosts`, those that are reached without encryption.

    `key` is None where there is no credential; `encryption` says what to set. A path is a socket of this machine.
    """
    if key is None or allow_plain:
        return
    for host in hosts:
        if host and not host.startswith("/") and not is_loopback(host):
            text = f"would go to {host} unencrypted: {encryption}, or set allow_plain = true"
            yield (key,), text
            return


def first_given(**credentials: object) -> str | None:
    """Return the first key that has a value; `password` and `password_file` are told at the key of the file."""
    for key, value in credentials.items():
        if value is not None:
            return key
    return None
