"""The login of whoever gives commands: the address of the API and a token, in the keyring or in a file of their own."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from hubwatch_core.errors import Permanent

SERVICE = "hubwatch"
Place = Literal["auto", "keyring", "file"]


@dataclass(frozen=True, slots=True)
class KeptLogin:
    """Where somebody is logged in, as whom, and their token."""

    address: str
    user: str
    token: str
    ca_file: str | None = None


def keep(login: KeptLogin, place: Place = "auto", env: Mapping[str, str] = os.environ) -> str:
    """Keep a login, and return in words where its token is; raises Permanent when it cannot be kept."""
    if place != "file" and _in_keyring(login):
        _write(_file(env), asdict(login) | {"token": None})
        return "the keyring"
    if place == "keyring":
        raise Permanent("there is no keyring here (pip install 'hubwatch[keyring]', in a session with one)")
    _write(_file(env), asdict(login))
    return str(_file(env))


def kept(env: Mapping[str, str] = os.environ) -> KeptLogin | None:
    """Return the login that was kept last, None when nobody is logged in.

    Raises Permanent when the file is not for its owner's eyes alone, or damaged.
    """
    file = _file(env)
    try:
        with file.open(encoding="utf-8") as opened:
            mode = os.fstat(opened.fileno())
            if stat.S_IMODE(mode.st_mode) & 0o077 or mode.st_uid not in {os.getuid(), 0}:
                raise Permanent(f"{file} may be read by others: `chmod 600` it, and log in again")
            facts = json.load(opened)
        token = facts["token"] or _of_keyring(facts["user"], facts["address"])
        return None if token is None else KeptLogin(facts["address"], facts["user"], token, facts.get("ca_file"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Permanent(f"{file} cannot be read ({type(error).__name__}): delete it and log in again") from None


def forget(env: Mapping[str, str] = os.environ) -> None:
    """Forget the login that was kept."""
    with contextlib.suppress(Permanent):
        login = kept(env)
        if login is not None:
            _out_of_keyring(login)
    _file(env).unlink(missing_ok=True)


def _file(env: Mapping[str, str]) -> Path:
    base = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME") or "~").expanduser() / ".config")
    return Path(base) / "hubwatch" / "login.json"


def _write(file: Path, facts: Mapping[str, object]) -> None:
    """Write a file that only its owner ever could read, whole or not at all."""
    fresh = file.with_suffix(".new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            json.dump(facts, opened)
        fresh.replace(file)
    except OSError as error:
        raise Permanent(f"the login cannot be kept in {file}: {error.strerror}") from None


def _in_keyring(login: KeptLogin) -> bool:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ModuleNotFoundError:
        return False
    try:
        keyring.set_password(SERVICE, _name(login.user, login.address), login.token)
        return keyring.get_password(SERVICE, _name(login.user, login.address)) == login.token
    except (KeyringError, OSError, RuntimeError):  # none on this machine, or it is locked
        return False


def _of_keyring(user: str, address: str) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ModuleNotFoundError:
        return None
    try:
        return keyring.get_password(SERVICE, _name(user, address))
    except (KeyringError, OSError, RuntimeError):
        return None


def _out_of_keyring(login: KeptLogin) -> None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ModuleNotFoundError:
        return
    with contextlib.suppress(KeyringError, OSError, RuntimeError):
        keyring.delete_password(SERVICE, _name(login.user, login.address))


def _name(user: str, address: str) -> str:
    return f"{user} at {address}"
