"""Which agents are enrolled at the hub: tokens, keys and their certificates, revocation."""

from hubwatch_store.enrolment.keys import (
    AgentKey,
    KeyRefused,
    NewCertificate,
    RevokedKey,
    agent_keys,
    ask_renewal,
    certificate_for,
    check_revocable,
    good_agents,
    is_due,
    renew,
    revoke,
    revoked_serials,
)
from hubwatch_store.enrolment.tokens import PendingToken, TokenRefused, make_token, pending_tokens, redeem

__all__ = [
    "AgentKey",
    "KeyRefused",
    "NewCertificate",
    "PendingToken",
    "RevokedKey",
    "TokenRefused",
    "agent_keys",
    "ask_renewal",
    "certificate_for",
    "check_revocable",
    "good_agents",
    "is_due",
    "make_token",
    "pending_tokens",
    "redeem",
    "renew",
    "revoke",
    "revoked_serials",
]
