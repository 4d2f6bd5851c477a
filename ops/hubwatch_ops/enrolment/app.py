"""`hubwatch enrol`: which gateways may speak for which agent."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from hubwatch_core.enrolment import MOST_TOKEN_S
from hubwatch_core.errors import BadCall
from hubwatch_core.ids import is_id
from hubwatch_core.plain_text import escaped, is_text, one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database.connected import at_their_word, with_database
from hubwatch_ops.database.options import By, ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_core.enrolment import EnrolmentAnswer
    from hubwatch_core.http.logged_in import LoggedIn
    from hubwatch_core.permission import Actor
    from hubwatch_store.database import DatabaseConnection
    from hubwatch_store.enrolment import AgentKey, PendingToken

app = typer.Typer(
    name="enrol", help="Which gateways may speak for which agent: tokens, keys, revocation.", no_args_is_help=True
)

AgentArgument = Annotated[str, typer.Argument(metavar="HUB/AGENT", help="The agent.")]
UNITS = {"m": 60, "h": 3600, "d": 86_400}
LONGEST = 500
NAME = "hubwatch enrol"


@app.command()
@border
def token(
    hub: Annotated[str, typer.Option("--hub", help="Hub the agent stands in.")],
    agent: Annotated[str, typer.Option("--agent", help="The agent.")],
    by: By = None,
    valid: Annotated[str, typer.Option(help="How long it may be used: 30m, 1h, 2d; at most 7d.")] = "1h",
    out: Annotated[Path | None, typer.Option(help="Write it to this file (0600) instead of printing it.")] = None,
    pki: Annotated[
        Path | None, typer.Option(help="With --by: folder of the authority; default: enrolment.pki_folder.")
    ] = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Give leave to enrol one agent, once. A token made before for the same agent ends."""
    from hubwatch_core import whole_files as files

    named, valid_s = _agent(f"{hub}/{agent}"), _seconds(valid)
    if by is None:
        made = _over_api("POST", named, "token", {"valid_s": valid_s})
        text, ends = str(made["token"]), datetime.fromisoformat(made["expires"])
    else:
        text, ends = _token_at_their_word(named, _text(by, "--by"), valid_s, pki, config, dsn)
    if out is None:
        say(text)
    else:
        files.write(out, f"{text}\n".encode(), files.SECRET)
    say(f"good once, for {hub}/{agent}, until {ends.isoformat(timespec='minutes')}", err=True)


def _token_at_their_word(
    named: tuple[str, str], by: str, valid_s: int, pki: Path | None, config: Path | None, dsn: str | None
) -> tuple[str, datetime]:
    from hubwatch_core.enrolment import EnrolmentToken
    from hubwatch_ops.enrolment.settings import load_enrolment
    from hubwatch_ops.pki.authority import Authority
    from hubwatch_store.enrolment import make_token

    folder = pki or load_enrolment(config, dsn).section.pki_folder
    fingerprint = Authority(folder).fingerprint()

    async def made(connection: DatabaseConnection, person: Actor) -> tuple[str, datetime]:
        return await make_token(connection, *named, by=person.name, valid_s=valid_s)

    secret, ends = at_their_word(made, by, config, dsn, NAME)
    return str(EnrolmentToken(secret, fingerprint)), ends


@app.command("list")
@border
def list_(
    hub: Annotated[str | None, typer.Option("--hub", help="Only this hub.")] = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """List agents with their keys, and leave that nobody has used yet; without -c those that whoever is logged in may
    enrol.
    """
    from hubwatch_core.credentials.kept_login import kept
    from hubwatch_core.http.logged_in import LoggedIn
    from hubwatch_store.enrolment import agent_keys, pending_tokens

    login = kept() if config is None and dsn is None else None
    if login is not None:
        _list_over_api(LoggedIn(login), hub)
        return

    async def found(connection: DatabaseConnection) -> tuple[list[AgentKey], list[PendingToken]]:
        return await agent_keys(connection, hub), await pending_tokens(connection)

    keys, tokens = with_database(found, config, dsn, NAME)
    for each in keys:
        say(_key_line(each.hub, each.agent, each.serial, each.not_after, _state(each)))
    for waiting in tokens:
        if hub in (None, waiting.hub):
            say(_token_line(waiting.hub, waiting.agent, waiting.made_by, waiting.expires_at))


def _list_over_api(person: LoggedIn, hub: str | None) -> None:
    query = "" if hub is None else f"hub={_hub(hub)}"
    for each in person.every(f"/agents/keys?{query}", "keys"):
        state = _state_of(each["revoked_by"], each["reason"], good=each["good"], renewal_asked=each["renewal_asked"])
        ends = datetime.fromisoformat(each["expires"])
        say(_key_line(one_line(each["hub"]), one_line(each["agent"]), one_line(each["serial"]), ends, state))
    for each in person.ask("GET", f"/agents/keys?{query}")["tokens"]:
        ends = datetime.fromisoformat(each["expires"])
        say(_token_line(one_line(each["hub"]), one_line(each["agent"]), each["by"], ends))


@app.command()
@border
def revoke(
    agent: AgentArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; stands in the journal.")],
    by: By = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Revoke every key of an agent: brokers refuse it within a minute where enrolment is served.

    Where there is a directory of users, it waits for a second person, and the hub is told at once that one is wanted.
    """
    from hubwatch_store.enrolment import revoke as revoke_keys

    named, why = _agent(agent), _text(reason, "--reason")
    if by is None:
        from hubwatch_core.http.logged_in import waits

        say(f"{agent} {waits(_over_api('POST', named, 'revoke', {'reason': why}))}")
        return

    async def done(connection: DatabaseConnection, person: Actor) -> list[str]:
        return await revoke_keys(connection, *named, by=person.name, reason=why)

    say(f"{agent}: revoked {', '.join(at_their_word(done, _text(by, '--by'), config, dsn, NAME))}")


@app.command()
@border
def renew(agent: AgentArgument, by: By = None, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Ask an agent to take a new key now instead of after two thirds of its time; it asks once an hour."""
    from hubwatch_store.enrolment import ask_renewal

    named = _agent(agent)
    if by is None:
        _over_api("POST", named, "renew")
    else:

        async def done(connection: DatabaseConnection, person: Actor) -> None:
            await ask_renewal(connection, *named, by=person.name)

        at_their_word(done, _text(by, "--by"), config, dsn, NAME)
    say(f"{agent} will take a new key when it next asks")


@app.command()
@border
def answer(
    request: Annotated[Path, typer.Argument(metavar="FILE", help="Request that `hubwatch agent enrol` wrote.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write the answer.")],
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Answer a request that came in a file, for gateways without a way to the hub's enrolment."""
    from hubwatch_core import whole_files as files
    from hubwatch_core.enrolment import EnrolmentRequest
    from hubwatch_ops.enrolment.register import Register
    from hubwatch_ops.enrolment.settings import load_enrolment

    register = Register(load_enrolment(config, dsn).section)
    try:
        asked = msgspec.json.decode(files.read(request), type=EnrolmentRequest)
    except msgspec.DecodeError as error:
        raise BadCall(f"{request} is no request: {error}") from None

    async def done(connection: DatabaseConnection) -> EnrolmentAnswer:
        return await register.enrol(connection, asked, "file")

    made = with_database(done, config, dsn, NAME)
    files.write(out, msgspec.json.encode(made))
    say(f"{made.hub}/{made.agent} is enrolled: take {out} back to the gateway")


@app.command()
@border
def serve(
    config: Annotated[Path, typer.Option("-c", "--config", help="The hub's configuration (TOML).")],
) -> None:
    """Serve enrolment by itself, where `hubwatch up` does not run."""
    from hubwatch_core.process import Context, Part
    from hubwatch_core.process import serve as run
    from hubwatch_ops.enrolment.service import parts
    from hubwatch_ops.enrolment.settings import load_enrolment

    settings = load_enrolment(config)
    section = settings.section

    def make(context: Context) -> list[Part]:
        return parts(section, settings.mqtt, settings.database, context)

    raise SystemExit(run("enrol", make, telemetry=settings.telemetry, log=settings.log))


def _over_api(method: str, named: tuple[str, str], act: str, body: object = None) -> Any:
    from hubwatch_core.http.logged_in import somebody

    hub, agent = named
    return somebody().ask(method, f"/agents/{hub}/{agent}/{act}", body)


def _key_line(hub: str, agent: str, serial: str, ends: datetime, state: str) -> str:
    return f"{hub}/{agent:24} {serial:40} until {ends.date()}  {state}"


def _token_line(hub: str, agent: str, by: str, ends: datetime) -> str:
    return f"{hub}/{agent:24} token of {one_line(by)}, until {ends.isoformat(timespec='minutes')}"


def _state(key: AgentKey) -> str:
    asked = key.renewal_asked_at is not None
    return _state_of(key.revoked_by, key.reason, good=key.is_good, renewal_asked=asked)


def _state_of(revoked_by: str | None, reason: str | None, *, good: bool, renewal_asked: bool) -> str:
    if revoked_by is not None:
        return f"revoked by {one_line(revoked_by)}: {one_line(reason or '')}"
    if not good:
        return "ended"
    return "good, to be renewed" if renewal_asked else "good"


def _hub(text: str) -> str:
    if not is_id(text):
        raise BadCall(f"{escaped(text)} is no name of a hub")
    return text


def _agent(text: str) -> tuple[str, str]:
    hub, _, agent = text.partition("/")
    if not is_id(hub) or not is_id(agent):
        raise BadCall(f"{escaped(text)}: say HUB/AGENT, each of a-z, 0-9, dots, dashes and underscores")
    return hub, agent


def _text(text: str, option: str) -> str:
    if not text.strip() or len(text) > LONGEST or "\0" in text or not is_text(text):
        raise BadCall(f"{option} must say it in at most {LONGEST} characters of UTF-8 text")
    return text.strip()


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < seconds <= MOST_TOKEN_S:
        raise BadCall(f"--valid {escaped(text)}: say 30m, 1h or 2d, at most 7d")
    return seconds
