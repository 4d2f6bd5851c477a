-- Users: people with a login. Nobody is deleted, because journals name them; whoever leaves is disabled.
CREATE TABLE hubwatch.users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,62}$' AND name <> 'system'),
    full_name text NOT NULL DEFAULT '',
    created timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL,
    disabled timestamptz,
    -- An identity provider and the name it knows somebody by, who then has no password here.
    issuer text,
    subject text,
    UNIQUE (issuer, subject),
    CHECK ((issuer IS NULL) = (subject IS NULL))
);

CREATE TABLE hubwatch.user_grants (
    "user" bigint NOT NULL REFERENCES hubwatch.users (id),
    role text NOT NULL CHECK (role IN ('viewer', 'guard', 'responder', 'technician', 'supervisor', 'administrator')),
    -- '*' stands for every hub, also those to come.
    hubs text[] NOT NULL CHECK (cardinality(hubs) > 0),
    PRIMARY KEY ("user", role)
);

-- Apart, because fewer may read it: what shows who somebody is. A password is kept as its argon2id hash. The key of the
-- second factor has to be kept as it is; it is of no use without the password.
CREATE TABLE hubwatch.user_secrets (
    "user" bigint PRIMARY KEY REFERENCES hubwatch.users (id),
    password text,
    password_set timestamptz,
    -- A one-time password: it lets its owner choose one, until then.
    one_time_until timestamptz,
    second_factor text,
    second_factor_confirmed timestamptz,
    -- The step of the last code that was accepted: none is good twice.
    second_factor_step bigint NOT NULL DEFAULT 0
);

-- Sessions and API tokens, by the SHA-256 of what their owner holds.
CREATE TABLE hubwatch.user_sessions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "user" bigint NOT NULL REFERENCES hubwatch.users (id),
    kind text NOT NULL CHECK (kind IN ('session', 'token')),
    hash bytea NOT NULL UNIQUE,
    label text NOT NULL DEFAULT '',
    -- What an API token is limited to; NULL: all that its owner may do.
    scope_role text,
    scope_hubs text[],
    created timestamptz NOT NULL DEFAULT clock_timestamp(),
    used timestamptz NOT NULL DEFAULT clock_timestamp(),
    idle interval,
    expires timestamptz NOT NULL,
    ended timestamptz,
    ended_why text,
    CHECK ((scope_role IS NULL) = (scope_hubs IS NULL))
);
CREATE INDEX user_sessions_user ON hubwatch.user_sessions ("user") WHERE ended IS NULL;

-- Failed logins of a user (`user:kim`) and of an address (`address:192.0.2.7`), and until when no more are looked at.
CREATE TABLE hubwatch.login_failures (
    key text PRIMARY KEY,
    failures integer NOT NULL,
    last timestamptz NOT NULL,
    locked_until timestamptz
) WITH (fillfactor = 70);

-- Logins at an identity provider that have begun and not come back. The state is kept as its SHA-256.
CREATE TABLE hubwatch.oidc_logins (
    state bytea PRIMARY KEY,
    binding bytea NOT NULL,
    nonce text NOT NULL,
    verifier text NOT NULL,
    redirect_uri text NOT NULL,
    expires timestamptz NOT NULL
);
