"""Secrets in addresses: found, and kept out of what is shown.

A URL may carry a password before its host, and a secret in its path or query (chat services give out such webhooks).
So an address is shown as far as its host and port only, and a password in one is refused where it is configured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

_USER_AND_PASSWORD = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^@\s:'\"]*:[^@\s'\"]*@")
"""Also with what does not belong there, such as a slash: people forget to escape their passwords."""

HIDDEN = "…@"


def carries_password(text: str) -> bool:
    """Return whether `text` holds a URL with a user and a password."""
    return _USER_AND_PASSWORD.search(text) is not None


def without_passwords(text: str) -> str:
    """Return `text` with user and password of every URL in it left out."""
    return _USER_AND_PASSWORD.sub(rf"\1{HIDDEN}", text) if "://" in text else text


def split_url(url: str) -> SplitResult:
    """Split an address; its port is a number. Raises ValueError, whose text repeats nothing of the address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is no address: an IPv6 address stands in brackets, other characters are escaped") from None
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("is no address: its port is a number up to 65535") from None
    return parts


def origin(url: str) -> str:
    """Return an address as far as it may be shown: scheme, host and port."""
    try:
        parts = split_url(url)
    except ValueError:
        return "the address"
    port = "" if parts.port is None else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{parts.scheme}://{host}{port}"


def addresses_with_passwords(value: object, key: str = "") -> Iterator[str]:
    """Yield the path of every text in a tree of tables and arrays that holds an address with a password."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from addresses_with_passwords(each, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from addresses_with_passwords(each, f"{key}[{index}]")
    elif isinstance(value, str) and carries_password(value):
        yield key
