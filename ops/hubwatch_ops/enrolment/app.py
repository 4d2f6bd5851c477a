"""`hubwatch enrol`: which gateways may speak for which agent."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from hubwatch_core.errors import BadCall
from hubwatch_core.ids import is_id
from hubwatch_core.plain_text import escaped, is_text
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database.options import ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_core.enrolment import EnrolmentAnswer
    from hubwatch_store.database import DatabaseConnection
    from hubwatch_store.enrolment import AgentKey, PendingToken

app = typer.Typer(
    name="enrol", help="Which gateways may speak for which agent: tokens, keys, revocation.", no_args_is_help=True
)

By = Annotated[str, typer.Option("--by", help="Who says so; stands in the journal.")]
AgentArgument = Annotated[str, typer.Argument(metavar="HUB/AGENT", help="The agent.")]
UNITS = {"m": 60, "h": 3600, "d": 86_400}
LONGEST_TOKEN_S = 7 * 86_400
LONGEST = 500


@app.command()
@border
def token(
    hub: Annotated[str, typer.Option("--hub", help="Hub the agent stands in.")],
    agent: Annotated[str, typer.Option("--agent", help="The agent.")],
    by: By,
    valid: Annotated[str, typer.Option(help="How long it may be used: 30m, 1h, 2d; at most 7d.")] = "1h",
    out: Annotated[Path | None, typer.Option(help="Write it to this file (0600) instead of printing it.")] = None,
    pki: Annotated[Path | None, typer.Option(help="Folder of the authority; default: enrolment.pki_folder.")] = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Give leave to enrol one agent, once. A token made before for the same agent ends."""
    from hubwatch_core import whole_files as files
    from hubwatch_core.enrolment import EnrolmentToken
    from hubwatch_ops.enrolment.register import with_database
    from hubwatch_ops.enrolment.settings import load_enrolment
    from hubwatch_ops.pki.authority import Authority
    from hubwatch_store.enrolment import make_token

    named, who, valid_s = _agent(f"{hub}/{agent}"), _text(by, "--by"), _seconds(valid)
    folder = pki or load_enrolment(config, dsn).section.pki_folder
    fingerprint = Authority(folder).fingerprint()

    async def made(connection: DatabaseConnection) -> tuple[str, datetime]:
        return await make_token(connection, *named, by=who, valid_s=valid_s)

    secret, ends = with_database(made, config, dsn)
    text = str(EnrolmentToken(secret, fingerprint))
    if out is None:
        say(text)
    else:
        files.write(out, f"{text}\n".encode(), files.SECRET)
    say(f"good once, for {hub}/{agent}, until {ends.isoformat(timespec='minutes')}", err=True)


@app.command("list")
@border
def list_(
    hub: Annotated[str | None, typer.Option("--hub", help="Only this hub.")] = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """List agents with their keys, and leave that nobody has used yet."""
    from hubwatch_ops.enrolment.register import with_database
    from hubwatch_store.enrolment import agent_keys, pending_tokens

    async def found(connection: DatabaseConnection) -> tuple[list[AgentKey], list[PendingToken]]:
        return await agent_keys(connection, hub), await pending_tokens(connection)

    keys, tokens = with_database(found, config, dsn)
    for each in keys:
        say(f"{each.hub}/{each.agent:24} {each.serial:40} until {each.not_after.date()}  {_state(each)}")
    for waiting in tokens:
        if hub in (None, waiting.hub):
            ends = waiting.expires_at.isoformat(timespec="minutes")
            say(f"{waiting.hub}/{waiting.agent:24} token of {waiting.made_by}, until {ends}")


@app.command()
@border
def revoke(
    agent: AgentArgument,
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why; stands in the journal.")],
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Revoke every key of an agent: brokers refuse it within a minute where enrolment is served."""
    from hubwatch_ops.enrolment.register import with_database
    from hubwatch_store.enrolment import revoke as revoke_keys

    named, who, why = _agent(agent), _text(by, "--by"), _text(reason, "--reason")

    async def done(connection: DatabaseConnection) -> list[str]:
        return await revoke_keys(connection, *named, by=who, reason=why)

    say(f"{agent}: revoked {', '.join(with_database(done, config, dsn))}")


@app.command()
@border
def renew(agent: AgentArgument, by: By, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Ask an agent to take a new key now instead of after two thirds of its time; it asks once an hour."""
    from hubwatch_ops.enrolment.register import with_database
    from hubwatch_store.enrolment import ask_renewal

    named, who = _agent(agent), _text(by, "--by")

    async def done(connection: DatabaseConnection) -> None:
        await ask_renewal(connection, *named, by=who)

    with_database(done, config, dsn)
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
    from hubwatch_ops.enrolment.register import Register, with_database
    from hubwatch_ops.enrolment.settings import load_enrolment

    register = Register(load_enrolment(config, dsn).section)
    try:
        asked = msgspec.json.decode(files.read(request), type=EnrolmentRequest)
    except msgspec.DecodeError as error:
        raise BadCall(f"{request} is no request: {error}") from None

    async def done(connection: DatabaseConnection) -> EnrolmentAnswer:
        return await register.enrol(connection, asked, "file")

    made = with_database(done, config, dsn)
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


def _state(key: AgentKey) -> str:
    if key.revoked_at is not None:
        return f"revoked by {escaped(key.revoked_by or '')}: {escaped(key.reason or '')}"
    if key.not_after <= datetime.now(UTC):
        return "ended"
    return "good, to be renewed" if key.renewal_asked_at is not None else "good"


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
    if not 0 < seconds <= LONGEST_TOKEN_S:
        raise BadCall(f"--valid {escaped(text)}: say 30m, 1h or 2d, at most 7d")
    return seconds
