-- The keys by which agents are known, one row for each certificate that was given out. An agent may have two that are
-- good at the same time: the former one stays good until its own end after a renewal. A hub and its agent are enrolled
-- before they first say anything, so neither needs to be known otherwise.
CREATE TABLE hubwatch.agent_keys (
    hub text NOT NULL,
    agent text NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    -- Ed25519, the 32 bytes as they are.
    public_key bytea NOT NULL UNIQUE CHECK (octet_length(public_key) = 32),
    revoked_at timestamptz,
    -- Of the certificate, in hexadecimal as openssl writes it.
    serial text PRIMARY KEY CHECK (serial ~ '^[0-9A-F]{1,40}$'),
    -- DER; public, so that an answer that was lost can be given again.
    certificate bytea NOT NULL,
    enrolled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_by text,
    reason text,
    CHECK (not_after > not_before),
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX agent_keys_agent ON hubwatch.agent_keys (hub, agent, not_after);

-- Leave to enrol one agent, once, until it ends. The token itself is nowhere: only who was given it has it.
CREATE TABLE hubwatch.enrolment_tokens (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub text NOT NULL,
    agent text NOT NULL,
    -- SHA-256 of 32 random bytes: nothing to guess, so nothing slower is needed.
    hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    used_from text,
    serial text REFERENCES hubwatch.agent_keys (serial),
    void_at timestamptz
);
CREATE INDEX enrolment_tokens_agent ON hubwatch.enrolment_tokens (hub, agent, id);
