"""`hubwatch pki`: the hub's own authority, certificates of its services, and the brokers' rules."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.process import border
from hubwatch_core.terminal import hand_over, say
from hubwatch_ops.database.options import ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_ops.pki.issuer import RevokedCertificate

app = typer.Typer(
    name="pki", help="The hub's own authority: certificates, revocation, brokers' rules.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the authority.")]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File with the passphrase of the issuing key; else asked for.")
]
SERVICE_DAYS = 398
LONGEST_DAYS = 825


@app.command()
@border
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(help="Name of the operator; stands in the certificates.")] = "hubwatch",
    passphrase_file: PassphraseFile = None,
    root_passphrase_file: Annotated[
        Path | None, typer.Option(help="File with the passphrase of the root key; else asked for.")
    ] = None,
) -> None:
    """Make an authority: a root, whose folder belongs into a safe afterwards, and an issuing key for daily use."""
    from hubwatch_ops.pki.authority import Authority

    if not name.strip() or len(name) > 40:
        raise BadCall("--name must have 1 to 40 characters")
    authority = Authority(folder)
    issuing = passphrase(passphrase_file, "issuing key", new=True)
    authority.make(name, issuing, passphrase(root_passphrase_file, "root key", new=True))
    say(f"authority made in {folder}; fingerprint {authority.fingerprint()}")
    say(f"move {folder / 'root'} to a medium that is kept in a safe: it is not needed here")


@app.command()
@border
def issue(
    folder: Folder,
    kind: Annotated[str, typer.Argument(metavar="ROLE", help="collector, detectors, broker, nats, console, …")],
    out: Annotated[Path, typer.Option("--out", help="Folder for key, certificate and ca.pem.")],
    name: Annotated[str | None, typer.Option(help="Where there are several of a role: ROLE-something.")] = None,
    host: Annotated[list[str] | None, typer.Option(help="Name or address a server is reached by; repeatable.")] = None,
    days: Annotated[int, typer.Option(help="Days it is good.", min=1, max=LONGEST_DAYS)] = SERVICE_DAYS,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make key and certificate of a service. Agents make their own keys: `hubwatch enrol token`."""
    from hubwatch_ops.pki import roles
    from hubwatch_ops.pki.authority import Authority

    role = roles.role(kind)
    if role.enrols:
        raise BadCall("the key of an agent is made on its gateway: `hubwatch enrol token`, then `hubwatch agent enrol`")
    subject = roles.subject_for(role, roles.service_name(role, name or kind), tuple(host or ()))
    authority = Authority(folder)
    opened = authority.open(passphrase(passphrase_file, "issuing key"))
    made = authority.issue(opened, subject, out, subject.common_name, timedelta(days=days))
    until = made.not_valid_after_utc.date()
    say(f"{out / subject.common_name}.pem and .key made, good until {until}")


@app.command()
@border
def show(folder: Folder) -> None:
    """List the certificates of services: serial, name, end, and which are revoked."""
    from hubwatch_ops.pki import issuer
    from hubwatch_ops.pki.authority import Authority

    authority = Authority(folder)
    revoked = {each.serial for each in authority.revoked()}
    say(f"root {issuer.name_in(authority.root())}, good until {authority.root().not_valid_after_utc.date()}")
    say(f"fingerprint {authority.fingerprint()}")
    for each in authority.issued():
        serial = issuer.serial_of(each)
        note = "  revoked" if serial in revoked else ""
        say(f"{serial:40} {issuer.name_in(each):24} {each.not_valid_after_utc.date()}{note}")


@app.command()
@border
def revoke(folder: Folder, serial: Annotated[str, typer.Argument(help="Serial, as `pki show` lists it.")]) -> None:
    """Revoke the certificate of a service; `hubwatch pki crl` tells the brokers. Agents: `hubwatch enrol revoke`."""
    from hubwatch_ops.pki.authority import Authority

    Authority(folder).revoke(serial.upper())
    say(f"{serial.upper()} is revoked; run `hubwatch pki crl {folder}` and have the brokers read the list")


@app.command()
@border
def crl(
    folder: Folder,
    passphrase_file: PassphraseFile = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Write crl.pem anew: it is good for 30 days. With a database (-c, --dsn) revoked agents are on it too.

    `hubwatch up` does this by itself where enrolment is configured.
    """
    from hubwatch_ops.pki.authority import Authority

    authority = Authority(folder)
    opened = authority.open(passphrase(passphrase_file, "issuing key"))
    agents = _revoked_agents(config, dsn)
    if agents is None:
        say("without a database: agents that were revoked are not on this list", err=True)
    authority.write_crl(opened, agents or ())
    say(f"{authority.crl_file} written")


@app.command()
@border
def acl(
    kind: Annotated[Literal["mosquitto", "nats"], typer.Argument(help="Whose rules.")],
    name: Annotated[
        list[str] | None, typer.Option(help="Name of a service; repeatable. Default: collector, detectors.")
    ] = None,
    hub: Annotated[
        list[str] | None, typer.Option(help="NATS: hub that detectors are told to watch; default: all.")
    ] = None,
    agent: Annotated[list[str] | None, typer.Option(help="NATS: an agent as HUB/AGENT; repeatable.")] = None,
    more: Annotated[
        Path | None, typer.Option(help="Mosquitto: file with rules of your own, as for devices, put behind.")
    ] = None,
) -> None:
    """Print the rules of a broker, made of the table of machine roles."""
    from hubwatch_core import whole_files as files
    from hubwatch_ops.pki import roles
    from hubwatch_ops.pki.mosquitto_acl import mosquitto_acl
    from hubwatch_ops.pki.nats_users import nats_users

    for each in [*(name or ()), *(agent or ())]:
        if roles.role_of(each) is None:
            raise BadCall(f"{each} is neither the name of a service nor HUB/AGENT")
    if kind == "mosquitto":
        own = files.read(more).decode("utf-8", "replace") if more else ""
        hand_over(mosquitto_acl(name or (), own))
    else:
        hand_over(nats_users(name or (), agent or (), hub or ()))


def passphrase(file: Path | None, what: str, *, new: bool = False) -> str:
    """Return a passphrase from a file, or from whoever sits there. Raises Permanent when the file holds none."""
    from hubwatch_core.config import read_secret

    text = read_secret(None, file)
    if text is None:
        text = typer.prompt(f"Passphrase of the {what}", hide_input=True, confirmation_prompt=new)
    if not text:
        raise Permanent("an empty passphrase protects nothing")
    return text


def _revoked_agents(config: Path | None, dsn: str | None) -> list[RevokedCertificate] | None:
    if config is None and dsn is None:
        return None
    from hubwatch_ops.database.connected import with_database
    from hubwatch_ops.pki.issuer import RevokedCertificate
    from hubwatch_store.enrolment import revoked_serials

    found = with_database(revoked_serials, config, dsn, "hubwatch pki")
    return [RevokedCertificate(each.serial, each.at) for each in found]
