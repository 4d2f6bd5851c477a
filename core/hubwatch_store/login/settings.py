"""How long sessions last and how many wrong logins are looked at, as a configuration section."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from hubwatch_core.config import Conflict, SecretFile, Section
from hubwatch_core.credentials.sealing import SealingKeys, keys_in
from hubwatch_core.errors import Permanent

FORGET_USER_S = 86_400.0
FORGET_ADDRESS_S = 3600.0
ONE_TIME_S = 86_400.0
"""How long a one-time password may be used: until the next shift of whoever gets it."""


class LoginSection(Section):
    """Logins of people: how long a session lasts, and how many wrong ones are looked at."""

    idle_s: Annotated[float, Field(ge=60, le=86_400)] = Field(
        1800.0, description="Seconds after which a session that nobody uses is over."
    )
    absolute_s: Annotated[float, Field(ge=300, le=7 * 86_400)] = Field(
        12 * 3600.0, description="Seconds after which any session is over: a long shift."
    )
    token_max_s: Annotated[float, Field(ge=3600, le=366 * 86_400)] = Field(
        90 * 86_400.0, description="Longest time an API token may be good for, in seconds."
    )
    free_failures: Annotated[int, Field(ge=1, le=100)] = Field(
        5, description="Wrong logins of one user after which there is a wait, which doubles with each further one."
    )
    free_failures_of_address: Annotated[int, Field(ge=1, le=10_000)] = Field(
        30, description="The same for one address, behind which a whole control room may be."
    )
    first_wait_s: Annotated[float, Field(ge=1, le=3600)] = Field(30.0, description="The first wait, in seconds.")
    max_wait_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        900.0, description="The longest wait. Sessions that are there go on meanwhile."
    )
    approval_s: Annotated[float, Field(ge=60, le=7 * 86_400)] = Field(
        3600.0, description="Seconds that an act waits for a second person before it has to be asked for anew."
    )
    second_person_after_s: Annotated[float, Field(ge=0, le=30 * 86_400)] = Field(
        86_400.0,
        description="Seconds after being added, reset, enabled or given roles in which a user cannot yet be a second "
        "person: nobody makes themselves one unseen. 0: at once.",
    )

    second_factor_key_file: SecretFile | None = Field(
        None,
        examples=["/etc/hubwatch/second-factor.key"],
        description="File with the key under which the keys of second factors are kept, 32 random bytes in base64. To "
        "make one: (umask 077; openssl rand -base64 32 > second-factor.key). Unset: they are kept unencrypted. Without "
        "it second factors are set up anew: `hubwatch users reset`.",
    )
    former_second_factor_key_file: SecretFile | None = Field(
        None,
        examples=["/etc/hubwatch/former-second-factor.key"],
        description="File with the key before that, while what is kept under it is taken over: until the next start.",
    )

    def sealing(self) -> SealingKeys:
        """Return the keys at hand, read anew. Raises Permanent where a file holds none, or others may read it."""
        return keys_in(self.second_factor_key_file, self.former_second_factor_key_file)

    def conflicts_of_files(self) -> Iterator[Conflict]:
        """Each file must hold a key."""
        for name in ("second_factor_key_file", "former_second_factor_key_file"):
            try:
                keys_in(getattr(self, name))
            except Permanent as error:
                yield (name,), str(error)

    def conflicts(self) -> Iterator[Conflict]:
        """A session is over when it is idle before it is over anyway."""
        if self.idle_s > self.absolute_s:
            yield ("idle_s",), "must not be longer than absolute_s"
        if self.first_wait_s > self.max_wait_s:
            yield ("first_wait_s",), "must not be longer than max_wait_s"
        if self.former_second_factor_key_file is not None and self.second_factor_key_file is None:
            yield ("second_factor_key_file",), "is missing: former_second_factor_key_file only opens what was kept"
