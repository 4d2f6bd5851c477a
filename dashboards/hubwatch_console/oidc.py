"""An identity provider (OpenID Connect Core 1.0): where it sends people, and whether what it says is right."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from hubwatch_console.settings import OidcSection
from hubwatch_core.config import read_secret
from hubwatch_core.config.addresses import is_loopback
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.permission import Grant, needs_second_factor
from hubwatch_store.login import LoginRefused, OidcLogin
from hubwatch_store.users import NotAllowed

ANSWER_WITHIN_S = 10.0
MOST_BYTES = 1 << 20
FRESH_S = 3600.0
"""How long what the provider says of itself, and its keys, are taken as they were."""
KEYS_AGAIN_S = 30.0
"""A token signed by a key that is new to us makes us ask for keys, at most so often."""
CLOCKS_OFF_S = 60
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""None that is made with a secret we share with others, and never `none`."""


class ProviderAway(Transient):
    """The identity provider does not answer."""


class Provider:
    """The identity provider of the settings; what it says of itself is fetched when it is first needed."""

    def __init__(self, settings: OidcSection) -> None:
        self.settings = settings
        self._about: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def address(self, login: OidcLogin) -> str:
        """Return where to send somebody who begins that login."""
        about = await self.about()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(login.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": login.redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": login.state,
            "nonce": login.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in about["authorization_endpoint"] else "?"
        return f"{about['authorization_endpoint']}{joint}{urlencode(asked)}"

    async def claims(self, login: OidcLogin, code: str) -> Mapping[str, Any]:
        """Return what the provider says of whoever came back with `code`.

        Raises LoginRefused when it does not take the code or what it says is not right, ProviderAway.
        """
        about = await self.about()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": login.redirect_uri,
            "client_id": self.settings.client_id,
            "code_verifier": login.verifier,
        }
        secret = read_secret(self.settings.client_secret, self.settings.client_secret_file)
        headers = {} if secret is None else {"Authorization": _basic(self.settings.client_id, secret)}
        status, answer = await self._ask("POST", about["token_endpoint"], form=form, headers=headers)
        token = answer.get("id_token") if status == 200 else None
        if not isinstance(token, str):
            raise LoginRefused
        return await self._checked(token, login.nonce)

    async def about(self) -> Mapping[str, Any]:
        """Return what the provider says of itself; raises ProviderAway, Permanent when it cannot be trusted."""
        if self._about is None or time.monotonic() - self._about[0] > FRESH_S:
            status, found = await self._ask("GET", f"{self.settings.issuer}/.well-known/openid-configuration")
            if status != 200:
                raise ProviderAway(f"the identity provider answered {status}")
            if str(found.get("issuer", "")).rstrip("/") != self.settings.issuer:
                raise Permanent("the identity provider calls itself by another name than oidc.issuer")
            for key in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not is_secure(str(found.get(key, ""))):
                    raise Permanent(f"the identity provider names no {key} with https://")
            self._about = (time.monotonic(), found)
        return self._about[1]

    async def _checked(self, token: str, nonce: str) -> Mapping[str, Any]:
        wanted = jwt.JWTClaimsRegistry(
            leeway=CLOCKS_OFF_S,
            iss={"essential": True, "values": [self.settings.issuer, self.settings.issuer + "/"]},
            aud={"essential": True, "value": self.settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        for again in (False, True):
            try:
                claims = jwt.decode(token, await self._key_set(again=again), algorithms=list(ALGORITHMS)).claims
                wanted.validate(claims)
            except (JoseError, ValueError, TypeError, KeyError):
                if again:
                    raise LoginRefused from None
            else:
                return self._meant_for_us(claims)
        raise LoginRefused

    def _meant_for_us(self, claims: Mapping[str, Any]) -> Mapping[str, Any]:
        """A token for several programs says which of them asked for it (Core 1.0, 3.1.3.7)."""
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (several or "azp" in claims) and claims.get("azp") != self.settings.client_id:
            raise LoginRefused
        return claims

    async def _key_set(self, *, again: bool) -> KeySet:
        limit_s = KEYS_AGAIN_S if again else FRESH_S
        if self._keys is None or time.monotonic() - self._keys[0] > limit_s:
            status, found = await self._ask("GET", (await self.about())["jwks_uri"])
            if status != 200:
                raise ProviderAway(f"the identity provider answered {status} for its keys")
            self._keys = (time.monotonic(), KeySet.import_key_set(found))  # type: ignore[arg-type]
        return self._keys[1]

    async def _ask(
        self,
        method: str,
        address: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, Any]]:
        limit = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        trust = True if self.settings.ca_file is None else ssl.create_default_context(cafile=self.settings.ca_file)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.request(
                    method, address, data=form, headers=headers, ssl=trust, allow_redirects=False
                ) as response,
            ):
                text = await response.content.read(MOST_BYTES)
                found = json.loads(text)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ProviderAway(f"the identity provider does not answer: {type(error).__name__}") from None
        except ValueError:
            return response.status, {}
        return response.status, found if isinstance(found, dict) else {}


def grants_of(settings: OidcSection, claims: Mapping[str, Any]) -> tuple[Grant, ...]:
    """Return the roles that the claims of somebody give; raises NotAllowed when a second factor is missing for them."""
    hubs: dict[Any, set[str]] = {}
    for rule in settings.roles:
        value = claims.get(rule.claim)
        if rule.value in (value if isinstance(value, list) else [value]):
            hubs.setdefault(rule.role, set()).update(rule.hubs)
    grants = tuple(Grant(role, frozenset(at)) for role, at in sorted(hubs.items()))
    shown = claims.get("amr")
    methods = set(map(str, shown)) if isinstance(shown, list) else set()
    if settings.second_factor_amr and needs_second_factor(grants) and not methods & set(settings.second_factor_amr):
        raise NotAllowed("your role needs a second factor, and the identity provider says of none")
    return grants


def _basic(client: str, secret: str) -> str:
    """Return how a client shows its secret (RFC 6749, 2.3.1): each part written as in a form."""
    pair = f"{quote_plus(client)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def may_come_back_to(settings: OidcSection, redirect_uri: str) -> bool:
    """Return whether people may be sent back to that address: one of the settings, or their own machine (RFC 8252)."""
    if redirect_uri in settings.redirect_uris:
        return True
    try:
        parts = urlsplit(redirect_uri)
        port = parts.port
    except ValueError:
        return False
    own = parts.hostname in {"127.0.0.1", "::1"} and parts.username is None
    return own and parts.scheme == "http" and port is not None and parts.path == "/callback" and not parts.query


def is_secure(address: str) -> bool:
    """Return whether an address is https, or on this machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
