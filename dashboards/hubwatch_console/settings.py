"""Settings of the console and its API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from hubwatch_alarms.oncall.link import LinkKeySection
from hubwatch_alarms.settings import ExpectingSection, ShelvingSection
from hubwatch_core.config import Conflict, LogSection, SecretFile, Section, ServerTlsSection, TelemetrySection
from hubwatch_core.config.addresses import ListenAddress, is_loopback, with_port
from hubwatch_core.config.sections import Port, Secret
from hubwatch_core.config.tls import unusable_key
from hubwatch_core.enrolment import fingerprint_of
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import EVERY_HUB, Role
from hubwatch_store.database import DatabaseSection
from hubwatch_store.login import LoginSection

UNSEALED = "keys of second factors are kept unencrypted: set login.second_factor_key_file"
"""Told by check-config and at the start."""


class ApiSection(Section):
    """Where the API listens, and how much it takes."""

    host: ListenAddress = Field("127.0.0.1", description="Address to listen on; anything but loopback needs TLS.")
    port: Port = Field(8443, description="Port; 0 takes a free one.")
    cert_file: Path | None = Field(None, description="Our certificate with its chain (PEM); with key_file it is TLS.")
    key_file: SecretFile | None = Field(None, description="The key of cert_file (PEM), without a passphrase.")
    allow_plain: bool = Field(
        False,
        description="Listen without TLS on an address that others reach. Passwords and tokens can then be read on the "
        "way: only where a reverse proxy on the same machine speaks TLS.",
    )
    path_prefix: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)*$", max_length=200)] = Field(
        "",
        examples=["/hubwatch"],
        description="Path below which a reverse proxy serves the console, whether the proxy takes it away or not.",
    )
    max_body_bytes: Annotated[int, Field(ge=1024, le=1 << 24)] = Field(
        65_536, description="Largest request; more is refused before it is read."
    )
    max_site_bytes: Annotated[int, Field(ge=1024, le=1 << 24)] = Field(
        1 << 20, description="The same for the file of a site, which is read only of somebody who is logged in."
    )
    max_cardholders_bytes: Annotated[int, Field(ge=1024, le=1 << 26)] = Field(
        8 << 20,
        description="The same for a list of cardholders: some 150 bytes for each, and some ten times that in memory "
        "while it is put in force.",
    )
    requests_per_s: Annotated[float, Field(gt=0, le=10_000)] = Field(
        20.0, description="Requests a second that one address may make on average."
    )
    requests_burst: Annotated[float, Field(ge=1, le=100_000)] = Field(
        100.0, description="Requests that one address may make at once."
    )
    max_connections: Annotated[int, Field(ge=10, le=100_000)] = Field(500, description="Connections at a time.")
    max_connections_per_address: Annotated[int, Field(ge=1, le=100_000)] = Field(
        100,
        description="Connections at a time from one address; a browser takes six. Raise it where a reverse proxy "
        "speaks for everybody.",
    )

    max_streams_per_person: Annotated[int, Field(ge=1, le=100_000)] = Field(
        40,
        description="Pages, and streams of the API, that one person may keep live at a time; the walls of a control "
        "room may share a token. All together take at most four in five of max_connections.",
    )

    @property
    def address(self) -> str:
        """Return where browsers on this machine find the console."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://{with_port(self.host, self.port)}{self.path_prefix}/"

    @property
    def tls(self) -> ServerTlsSection | None:
        """Return what we serve TLS with, None where we do not."""
        if self.cert_file is None or self.key_file is None:
            return None
        return ServerTlsSection(cert_file=self.cert_file, key_file=self.key_file)

    def conflicts_of_files(self) -> Iterator[Conflict]:
        """Certificate and key must be such, and belong together."""
        unusable = None if self.tls is None else unusable_key(self.tls)
        if unusable is not None:
            yield (unusable[0],), unusable[1]

    def conflicts(self) -> Iterator[Conflict]:
        """Credentials do not cross a network in the clear."""
        if (self.cert_file is None) != (self.key_file is None):
            missing = "cert_file" if self.cert_file is None else "key_file"
            yield (missing,), "cert_file and key_file go together: give both or none"
        if self.cert_file is None and not is_loopback(self.host) and not self.allow_plain:
            yield ("cert_file",), f"listening on {self.host} needs cert_file and key_file (or allow_plain = true)"


class RoleClaimSection(Section):
    """A role for those of whom the identity provider says something."""

    claim: str = Field(examples=["groups"], description="Name of the claim; its value is a text or a list of texts.")
    value: str = Field(examples=["port-guards"], description="The value that gives the role.")
    role: Role = Field(examples=["guard"], description="The role.")
    hubs: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        (EVERY_HUB,), description="Where they have it; * is every hub."
    )


class OidcSection(Section):
    """Logins by an identity provider (OpenID Connect: authorisation code with PKCE)."""

    issuer: str = Field(
        examples=["https://login.example.org/realms/port"], description="The provider, as its tokens call it."
    )
    client_id: str = Field(examples=["hubwatch"], description="How the provider knows us.")
    client_secret: Secret | None = Field(
        None, description="Only from HUBWATCH_OIDC__CLIENT_SECRET; in TOML use client_secret_file."
    )
    client_secret_file: SecretFile | None = Field(
        None, description="File with the secret, where the provider wants one."
    )
    ca_file: Path | None = Field(None, description="CA certificates for the provider (PEM); unset: the system's.")
    scopes: tuple[str, ...] = Field(("openid", "profile"), description="What we ask for.")
    name_claim: str = Field("preferred_username", description="Claim that holds the name of the user.")
    second_factor_amr: tuple[str, ...] = Field(
        ("mfa", "otp", "hwk", "swk"),
        description="Supervisors and administrators need one of these in the claim `amr`, which says how they logged "
        "in (RFC 8176). Empty: the provider asks everybody for a second factor, whatever it says.",
    )
    redirect_uris: tuple[str, ...] = Field(
        (), description="Addresses the provider may send people back to, besides those on their own machine."
    )
    roles: tuple[RoleClaimSection, ...] = Field(
        (),
        examples=[{"claim": "groups", "value": "port-guards", "role": "guard", "hubs": ["rotterdam"]}],
        description="One table for each value that gives a role. Who has none of them is not let in.",
    )

    @field_validator("issuer")
    @classmethod
    def _is_secure(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        if parts.username is not None or parts.password is not None:
            raise ValueError("must hold no user and no password")
        if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            return issuer.rstrip("/")
        raise ValueError("must be an address with https://")


class AuthoritySection(Section):
    """The hub's own authority, for which agents are given leave to enrol."""

    ca_file: Path | None = Field(
        None,
        examples=["/etc/hubwatch/pki/ca.pem"],
        description="The root that `hubwatch pki init` made (PEM): tokens for `hubwatch agent enrol` carry its "
        "fingerprint. Unset: this API gives no leave to enrol.",
    )

    def conflicts_of_files(self) -> Iterator[Conflict]:
        """The file must hold a certificate."""
        if self.ca_file is not None:
            try:
                self.fingerprint()
            except Permanent as error:
                yield ("ca_file",), str(error)

    def fingerprint(self) -> str:
        """Return by what a gateway knows the root; raises Permanent where there is none."""
        if self.ca_file is None:
            raise Permanent("this API knows no root to enrol for: set authority.ca_file in its configuration")
        try:
            return fingerprint_of(self.ca_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            raise Permanent(f"{self.ca_file} holds no certificate (PEM)") from None


class NoticeSection(Section):
    """What everybody is shown before they log in."""

    text: Annotated[str, Field(min_length=1, max_length=4000)] | None = Field(
        None,
        examples=["Property of the port of Rotterdam. For authorised users only; what is done here is recorded."],
        description="Notice of this hub to whoever is about to log in, as the law or the site asks for it; shown by "
        "`hubwatch login`, and to anybody at /api/v1/notice. Unset: none.",
    )

    @field_validator("text")
    @classmethod
    def _is_plain(cls, text: str | None) -> str | None:
        if text is not None and not all(line.isprintable() for line in text.split("\n")):
            raise ValueError("must be printable lines")
        return text


class ConsoleSettings(Section):
    """Everything `hubwatch console` needs to know."""

    database: DatabaseSection = Field(default_factory=DatabaseSection)
    telemetry: TelemetrySection = Field(default_factory=TelemetrySection)
    log: LogSection = Field(default_factory=LogSection)
    api: ApiSection = Field(default_factory=ApiSection)
    login: LoginSection = Field(default_factory=LoginSection)
    notice: NoticeSection = Field(default_factory=NoticeSection)
    shelving: ShelvingSection = Field(default_factory=ShelvingSection)
    authority: AuthoritySection = Field(default_factory=AuthoritySection)
    expecting: ExpectingSection = Field(default_factory=ExpectingSection)
    oidc: OidcSection | None = Field(
        None, description="Logins by an identity provider (OpenID Connect: authorisation code with PKCE)."
    )
    acknowledge: LinkKeySection | None = Field(
        None, description="Lets people acknowledge by the links in their messages, with the key that the alarms have."
    )
    instructions_file: Path | None = Field(
        None,
        examples=["/etc/hubwatch/instructions.toml"],
        description="The hub's own instructions, a TOML file in the shape of the packaged instructions.toml.",
    )
    scenarios_file: Path | None = Field(
        None,
        examples=["/etc/hubwatch/scenarios.toml"],
        description="The hub's own exercises, a TOML file in the shape of the packaged scenarios.toml.",
    )
    plan_folder: Path | None = Field(
        None,
        examples=["/etc/hubwatch/plans"],
        description="Folder with one folder per hub, of its name, in which are the pictures that its site names as "
        "plan.image; the page of the plan draws on them.",
    )
