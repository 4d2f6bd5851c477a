-- Acts that were sent with an idempotency key: whoever sends one again gets the first answer, and nothing is done twice.
-- Key and request stand here as digests. The answer is encrypted with what only the holder of the token knows it was given
-- to: it may hold a new token, or what is stored of a person.
CREATE TABLE hubwatch.acts_once (
    "user" bigint NOT NULL REFERENCES hubwatch.users (id),
    key bytea NOT NULL CHECK (octet_length(key) = 32),
    request bytea NOT NULL CHECK (octet_length(request) = 32),
    begun timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- NULL while it is at work, or when its process ended before it was done.
    status smallint,
    answer bytea CHECK (octet_length(answer) <= 131072),
    PRIMARY KEY ("user", key)
);
CREATE INDEX acts_once_begun ON hubwatch.acts_once (begun);
