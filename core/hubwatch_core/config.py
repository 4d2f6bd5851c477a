"""Configuration: a TOML file, over it `HUBWATCH_*` environment variables, over them flags.

Nothing is connected to or written before a configuration has been checked whole. Unknown keys are refused, and every
mistake is reported at once, each with the file (or variable) and the path of the key. Secrets come from a file or the
environment, never from the TOML.
"""

from __future__ import annotations

import os
import re
import tomllib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, Field, SecretStr

from hubwatch_core import mistakes
from hubwatch_core.errors import ConfigError, Problem
from hubwatch_core.mistakes import FIELD_ID_PATTERN
from hubwatch_core.named_files import unreadable_files
from hubwatch_core.secret_file import secret_in
from hubwatch_core.section import Conflict, types_in
from hubwatch_core.section import Section as Section  # noqa: PLC0414 - those who write sections find it here

ENV_PREFIX = "HUBWATCH_"
ENV_SEPARATOR = "__"

ConfigId = Annotated[str, Field(pattern=FIELD_ID_PATTERN)]
"""A name as in `ids`, for configuration fields."""

Port = Annotated[int, Field(ge=0, le=65535)]

Secret = Annotated[SecretStr, Field(min_length=1)]
"""A secret; `load` refuses it in the TOML wherever it stands."""


def _host_and_port(text: str) -> str:
    if not re.fullmatch(r"[^:\s]+:[0-9]{1,5}", text) or not 1 <= int(text.rpartition(":")[2]) <= 65535:
        raise ValueError("must be host:port, with a port from 1 to 65535")
    return text


class TlsSection(Section):
    """TLS towards a server: whom we trust and who we are."""

    ca_file: Path = Field(description="CA certificates the server's certificate must chain to (PEM).")
    cert_file: Path | None = Field(None, description="Our own certificate (PEM), where the server asks for one.")
    key_file: Path | None = Field(None, description="The key of cert_file (PEM).")

    def conflicts(self) -> Iterator[Conflict]:
        """A certificate is of no use without its key, nor the other way round."""
        if (self.cert_file is None) != (self.key_file is None):
            missing = "cert_file" if self.cert_file is None else "key_file"
            yield (missing,), "cert_file and key_file go together: give both or none"


class MqttSection(Section):
    """How to reach an MQTT broker."""

    host: str = Field("localhost", min_length=1, description="Broker's host name or address.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(1883, description="Broker's port; 8883 is usual with TLS.")
    other_brokers: tuple[Annotated[str, AfterValidator(_host_and_port)], ...] = Field(
        (), description="Other nodes of a clustered broker, `host:port`, tried in turn when one does not answer."
    )
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        "auto", description="MQTT version; auto tries 5 first and falls back to 3.1.1."
    )
    username: str | None = Field(None, description="User name, where the broker wants one.")
    password: Secret | None = Field(None, description="Only from HUBWATCH_MQTT__PASSWORD; in TOML use password_file.")
    password_file: Path | None = Field(None, description="File that holds the password.")
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = Field(20, description="Seconds until silence counts as loss.")
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(5.0, description="Seconds a connect may take.")
    reconnect_max_s: Annotated[float, Field(gt=0, le=3600)] = Field(30.0, description="Longest pause between tries.")
    receive_maximum: Annotated[int, Field(ge=1, le=65535)] = Field(
        5000, description="Unacknowledged messages in flight; caps throughput as well as memory."
    )
    tls: TlsSection | None = Field(None, description="TLS towards the broker; without it the link is in the clear.")

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Every node of the broker, as (host, port)."""
        others = (each.rpartition(":") for each in self.other_brokers)
        return ((self.host, self.port), *((host, int(port)) for host, _, port in others))

    def conflicts(self) -> Iterator[Conflict]:
        """A password goes with a name."""
        if self.username is None and (self.password is not None or self.password_file is not None):
            yield ("username",), "a password needs a username: without one it would not be sent"


class NatsSection(Section):
    """How to reach a NATS JetStream cluster, to whose MQTT listener agents publish."""

    servers: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        ("nats://localhost:4222",), description="Servers of the cluster, tried in turn; `tls://` demands TLS."
    )
    username: str | None = Field(None, description="User name, where the servers want one.")
    password: Secret | None = Field(None, description="Only from HUBWATCH_NATS__PASSWORD; in TOML use password_file.")
    password_file: Path | None = Field(None, description="File that holds the password.")
    credentials_file: Path | None = Field(None, description="Credentials (.creds) of a NATS user, instead of a name.")
    nkey_file: Path | None = Field(None, description="File with the seed of a NATS user's NKEY, instead of a name.")
    replicas: Literal[1, 3, 5] = Field(
        3, description="Copies kept of each message, where we make the stream; one on a server without a cluster."
    )
    most_bytes: Annotated[int, Field(ge=1 << 20)] | None = Field(
        None, description="Size at which the stream takes no more and agents keep their frames; none is the disk's."
    )
    ack_wait_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        10.0, description="Seconds after which what somebody took and did not acknowledge goes to another."
    )
    most_unacknowledged: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        20_000, description="Messages in flight to all processes that share the work, together."
    )
    forget_after_s: Annotated[float, Field(ge=1, le=31_536_000)] = Field(
        604_800.0, description="Seconds after which frames are kept no longer for detectors that are away (a week)."
    )
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(5.0, description="Seconds a connect may take.")
    reconnect_max_s: Annotated[float, Field(gt=0, le=3600)] = Field(30.0, description="Longest pause between tries.")
    tls: TlsSection | None = Field(None, description="TLS towards the servers; without it the link is in the clear.")

    def conflicts(self) -> Iterator[Conflict]:
        """A password goes with a name, and credentials hold both."""
        named = self.username is not None
        if not named and (self.password is not None or self.password_file is not None):
            yield ("username",), "a password needs a username: without one it would not be sent"
        if named and self.credentials_file is not None:
            yield ("credentials_file",), "give username or credentials_file, not both"
        if self.nkey_file is not None and (named or self.credentials_file is not None):
            yield ("nkey_file",), "give nkey_file, credentials_file or username, not two of them"


class TelemetrySection(Section):
    """Where `/healthz` and `/metrics` listen."""

    host: str = Field("127.0.0.1", description="Address to listen on; anything but loopback needs a token.")
    port: Port | None = Field(None, description="Port; 0 takes a free one, and without one nothing listens.")
    token: Secret | None = Field(None, description="Only from HUBWATCH_TELEMETRY__TOKEN; in TOML use token_file.")
    token_file: Path | None = Field(None, description="File that holds the bearer token scrapers must send.")

    def conflicts(self) -> Iterator[Conflict]:
        """Whoever is not on this machine needs a token."""
        open_to_others = self.host not in {"127.0.0.1", "::1", "localhost"}
        if self.port is not None and open_to_others and self.token is None and self.token_file is None:
            yield ("token_file",), f"listening on {self.host} needs token_file, so that not everybody can read it"


class LogSection(Section):
    """What is logged and how."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity that is logged.")
    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else JSON.")


S = TypeVar("S", bound=Section)
S_contra = TypeVar("S_contra", bound=Section, contravariant=True)


class Further(Protocol[S_contra]):
    """Checks beyond the settings themselves, of what they name."""

    def __call__(self, settings: S_contra, told: frozenset[str]) -> Iterable[Problem]:
        """Give what else is wrong. Where keys are `told` already, the settings lack them: they are at their defaults,
        or None where required. Findings at those keys are left out by the caller.
        """


def load(
    model: type[S],
    path: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    further: Further[S] | None = None,
    check_files: bool = False,
) -> S:
    """Read and check a configuration.

    `flags` maps dotted keys (`mqtt.host`) to values; None means not given. `further` checks what is good of it, also
    where something is wrong; `check_files` demands that every file it names can be read. Raises ConfigError with every
    mistake, in the order of the file.
    """
    tree, origin = _read(path), {}
    problems = [_misplaced(key, model, str(path)) for key in dict.fromkeys(_secrets_in(tree, model))]
    for name, key, value in _env_values(model, os.environ if env is None else env):
        _set(tree, key, value)
        origin[key] = name
    for key, flag in (flags or {}).items():
        if flag is not None:
            _set(tree, key, flag)
            origin[key] = "--" + key.rsplit(".", 1)[-1].replace("_", "-")
    found = mistakes.find(model, tree)
    problems += [_problem(each, path, origin) for each in found.mistakes]
    if check_files and found.settings is not None:
        problems += _beyond(unreadable_files(found.settings, _where(path)), found, problems)
    if further is not None and found.settings is not None:
        problems += _beyond(further(found.settings, frozenset(each.key for each in problems)), found, problems)
    if problems or found.settings is None:
        raise ConfigError(mistakes.in_file_order(problems, tree))
    return found.settings


def read_secret(value: SecretStr | None, file: Path | None) -> str | None:
    """Give a secret from its value or its file (trailing newline removed), None when there is neither.

    Raises Permanent when the file cannot be read or is empty.
    """
    if value is not None:
        return value.get_secret_value()
    return None if file is None else secret_in(file)


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([Problem(str(path), "", f"cannot be read: {error.strerror or error}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(path), "", "is not UTF-8 text")]) from None
    except (ValueError, RecursionError) as error:  # besides syntax: integers of 5000 digits, endless nesting
        raise ConfigError([Problem(str(path), "", f"is not valid TOML: {error}")]) from None


def _sections(annotation: Any) -> Iterator[type[Section]]:
    """Yield the section types of an annotation that is one, or one or None: a table, not an array of tables."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType):
        for argument in get_args(annotation):
            yield from _sections(argument)


def _secrets_in(tree: Mapping[str, Any], model: type[Section], prefix: str = "") -> Iterator[str]:
    """Yield the path of every secret of `model` that stands in `tree`."""
    for name, field in model.model_fields.items():
        value, key = tree.get(field.alias or name), f"{prefix}{field.alias or name}"
        kinds = list(types_in(field.annotation))
        if value is not None and SecretStr in kinds:
            yield key
        for section in kinds:
            if isinstance(section, type) and issubclass(section, Section):
                for path, table in _tables(value, key):
                    yield from _secrets_in(table, section, f"{path}.")


def _tables(value: object, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what may be a table of settings in a value: itself, the tables of an array, the tables of a table."""
    if isinstance(value, Mapping):
        yield key, value
        for name, inner in value.items():
            if isinstance(inner, Mapping):
                yield f"{key}.{name}", inner
    elif isinstance(value, list):
        yield from ((f"{key}[{i}]", inner) for i, inner in enumerate(value) if isinstance(inner, Mapping))


def _misplaced(key: str, model: type[Section], file: str) -> Problem:
    advice = f"name a file with {key.rsplit('.', 1)[-1]}_file"
    variable = _env_name(key)
    if any(_env_values(model, {variable: ""})):  # none reaches into an array
        advice += f" or set {variable}"
    return Problem(file, key, f"a secret must not stand in the TOML: {advice}")


def _env_name(key: str) -> str:
    return ENV_PREFIX + key.upper().replace(".", ENV_SEPARATOR)


def _env_values(model: type[Section], env: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield (variable, key, value) for the variables that speak of a section or key of `model`.

    Variables of other components' sections are not ours to judge; an unknown key inside a section of ours is.
    """
    for name in sorted(env):
        if not name.startswith(ENV_PREFIX):
            continue
        key = name.removeprefix(ENV_PREFIX).lower().replace(ENV_SEPARATOR, ".")
        top, _, rest = key.partition(".")
        field = model.model_fields.get(top)
        if field is not None and bool(rest) == any(_sections(field.annotation)):
            yield name, key, env[name]


def _set(tree: dict[str, Any], key: str, value: object) -> None:
    *parents, last = key.split(".")
    for part in parents:
        child = tree.setdefault(part, {})
        if not isinstance(child, dict):
            return  # a table is expected here; validation reports what stands in its place
        tree = child
    tree[last] = value


def _problem(mistake: mistakes.Mistake, path: Path | None, origin: Mapping[str, str]) -> Problem:
    key = mistakes.key_of(mistake.path)
    where = origin.get(key) or _where(path)
    return Problem(where, key, mistake.message)


def _where(path: Path | None) -> str:
    return str(path) if path else "configuration"


def _beyond(problems: Iterable[Problem], found: mistakes.Found[Any], before: Sequence[Problem]) -> list[Problem]:
    """Give the problems that were not told before, with the keys of the file."""
    told = frozenset(problem.key for problem in before)
    return [problem for problem in map(found.in_file, problems) if not _follows(problem.key, told)]


def _follows(key: str, told: Iterable[str]) -> bool:
    """Tell whether a finding is at a key that is told already, or inside one."""
    return any(each and (key == each or key.startswith((f"{each}.", f"{each}["))) for each in told)
