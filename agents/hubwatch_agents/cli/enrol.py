"""`hubwatch agent enrol`: makes this gateway's key and gets its certificate, over HTTPS or by file."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.process import border
from hubwatch_core.terminal import say

if TYPE_CHECKING:
    from hubwatch_agents.identity.folder import IdentityFolder
    from hubwatch_core.enrolment import EnrolmentAnswer, EnrolmentToken


@border
def enrol(
    config: Annotated[Path, typer.Option("-c", "--config", help="The agent's configuration; names hub and agent.")],
    url: Annotated[str | None, typer.Argument(help="Enrolment at the hub: https://HOST:PORT.")] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="File with the token that `hubwatch enrol token` made.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where key and certificates are kept; default: identity, beside the file.")
    ] = None,
    request: Annotated[Path | None, typer.Option(help="Write a request to this file instead of asking.")] = None,
    answer: Annotated[Path | None, typer.Option(help="Take the answer to such a request from this file.")] = None,
) -> None:
    """Make this gateway's key, get its certificate, and set what the uplink needs in the file.

    The key never leaves the gateway. Without a way to the hub: --request FILE here, `hubwatch enrol answer FILE` at the
    hub, --answer FILE here, each with the same token file.
    """
    from hubwatch_agents.identity import asking
    from hubwatch_agents.identity.folder import IdentityFolder

    if sum(each is not None for each in (url, request, answer)) != 1:
        raise BadCall("give one of URL, --request and --answer")
    hub, agent = _named_in(config)
    token, home = _token(token_file), IdentityFolder((folder or config.parent / "identity").absolute())
    if request is not None:
        _write_request(request, home, token, hub, agent)
        say(f"take {request} to the hub: hubwatch enrol answer {request.name} --out answer.json")
        return
    address = "" if url is None else asking.checked(url)
    got = _read_answer(answer, token) if answer else asyncio.run(asking.enrol(address, home, token, hub, agent))
    if (got.hub, got.agent) != (hub, agent):
        raise Permanent(f"the answer is for {got.hub}/{got.agent}, and {config} is of {hub}/{agent}")
    home.install(got, address)
    say(f"{hub}/{agent} is enrolled; key and certificate are in {home.folder / 'current'}")
    _configure(config, home, got)
    say(f"pseudonyms are made with key version {got.pseudonym_key_version}")


def _named_in(config: Path) -> tuple[str, str]:
    from hubwatch_core.ids import is_id

    try:
        tree = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadCall(f"{config} cannot be read: {error}") from None
    names = tree.get("hub"), tree.get("agent")
    if not all(isinstance(each, str) and is_id(each) for each in names):
        raise BadCall(f"{config} must say hub and agent; `hubwatch agent sample-config` shows how")
    return str(names[0]), str(names[1])


def _token(file: Path | None) -> EnrolmentToken:
    from hubwatch_core.config import read_secret
    from hubwatch_core.enrolment import EnrolmentToken

    text = read_secret(None, file)
    if text is None:
        text = typer.prompt("Token", hide_input=True)
    return EnrolmentToken.parse(text)


def _write_request(file: Path, home: IdentityFolder, token: EnrolmentToken, hub: str, agent: str) -> None:
    import msgspec

    from hubwatch_agents.identity.folder import signing_request
    from hubwatch_core import whole_files
    from hubwatch_core.enrolment import EnrolmentRequest

    made = EnrolmentRequest(hub, agent, token.secret, signing_request(home.pending_key(), hub, agent))
    whole_files.write(file, msgspec.json.encode(made), whole_files.SECRET)


def _read_answer(file: Path, token: EnrolmentToken) -> EnrolmentAnswer:
    import msgspec

    from hubwatch_core import whole_files
    from hubwatch_core.enrolment import EnrolmentAnswer

    try:
        got = msgspec.json.decode(whole_files.read(file), type=EnrolmentAnswer)
    except msgspec.DecodeError as error:
        raise BadCall(f"{file} is no answer: {error}") from None
    token.check(got.ca)
    return got


def _configure(config: Path, home: IdentityFolder, got: EnrolmentAnswer) -> None:
    """Set what the agent needs in its file, or print it where the file cannot be changed by a program."""
    from hubwatch_agents.identity.toml_keys import with_keys
    from hubwatch_core import whole_files
    from hubwatch_core.config.addresses import host_and_port

    host, port = host_and_port(got.broker)
    tables: dict[str, dict[str, str | int]] = {
        "": {"signing_key_file": str(home.key_file)},
        "mqtt": {"host": host, "port": port, "protocol": got.mqtt},
        "mqtt.tls": {
            "ca_file": str(home.ca_file),
            "cert_file": str(home.cert_file),
            "key_file": str(home.key_file),
        },
        "identity": {"folder": str(home.folder)},
    }
    try:
        text = with_keys(config.read_text(encoding="utf-8"), tables)
        whole_files.write(config, text.encode(), config.stat().st_mode & 0o777)
    except Permanent as error:
        say(f"{config}: {error}; put this into it:\n{with_keys('', tables)}")
    else:
        say(f"{config} now sends to {got.broker} with this certificate")
