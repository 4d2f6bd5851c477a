-- void: older leave to enrol an agent ends when new leave is given
UPDATE hubwatch.enrolment_tokens SET void_at = now()
WHERE hub = %(hub)s AND agent = %(agent)s AND used_at IS NULL AND void_at IS NULL;

-- add_token: leave to enrol an agent
INSERT INTO hubwatch.enrolment_tokens (hub, agent, hash, made_by, expires_at)
VALUES (%(hub)s, %(agent)s, %(hash)s, %(by)s, now() + make_interval(secs => %(valid_s)s)) RETURNING id, expires_at;

-- token: what a token gives leave to; nobody else uses it until the transaction ends
SELECT id, hub, agent, expires_at <= now() AS expired, void_at IS NOT NULL AS void, serial
FROM hubwatch.enrolment_tokens WHERE hash = %(hash)s FOR UPDATE;

-- use_token: a token is used up
UPDATE hubwatch.enrolment_tokens SET used_at = now(), used_from = %(source)s, serial = %(serial)s WHERE id = %(id)s;

-- add_key: a key for which a certificate is given out
INSERT INTO hubwatch.agent_keys (hub, agent, not_before, not_after, public_key, serial, certificate)
VALUES (%(hub)s, %(agent)s, %(not_before)s, %(not_after)s, %(public_key)s, %(serial)s, %(certificate)s);

-- by_serial: one key; it does not change until the transaction ends
SELECT hub, agent, not_before, not_after, public_key, revoked_at, serial, certificate, enrolled_at, revoked_by, reason,
    renewal_asked_at
FROM hubwatch.agent_keys WHERE serial = %(serial)s FOR UPDATE;

-- by_public_key: the certificate that was given out for a key
SELECT hub, agent, not_before, not_after, public_key, revoked_at, serial, certificate, enrolled_at, revoked_by, reason,
    renewal_asked_at
FROM hubwatch.agent_keys WHERE public_key = %(public_key)s;

-- keys: every key, of one hub or of all, agent by agent, the newest first
SELECT hub, agent, not_before, not_after, public_key, revoked_at, serial, certificate, enrolled_at, revoked_by, reason,
    renewal_asked_at
FROM hubwatch.agent_keys
WHERE (%(hub)s::text IS NULL OR hub = %(hub)s::text) AND (%(hubs)s::text[] IS NULL OR hub = ANY (%(hubs)s::text[]))
    AND not_after > now() - INTERVAL '400 days'
    AND (%(after_hub)s::text IS NULL OR hub > %(after_hub)s OR hub = %(after_hub)s AND (agent > %(after_agent)s
        OR agent = %(after_agent)s AND (enrolled_at, serial) < (%(after_at)s::timestamptz, %(after_serial)s)))
ORDER BY hub, agent, enrolled_at DESC, serial DESC LIMIT %(most)s;

-- revocable: a key that could be revoked
SELECT serial FROM hubwatch.agent_keys WHERE hub = %(hub)s AND agent = %(agent)s AND revoked_at IS NULL LIMIT 1;

-- pending: leave that nobody has used yet
SELECT hub, agent, made_by, expires_at FROM hubwatch.enrolment_tokens
WHERE used_at IS NULL AND void_at IS NULL AND expires_at > now() ORDER BY hub, agent;

-- good: agents that have a key which is good
SELECT DISTINCT hub, agent FROM hubwatch.agent_keys WHERE revoked_at IS NULL AND not_after > now() ORDER BY hub, agent;

-- revoked: what belongs on the list of revoked certificates; what has ended by itself does not
SELECT serial, revoked_at, hub, agent FROM hubwatch.agent_keys
WHERE revoked_at IS NOT NULL AND not_after > now() ORDER BY revoked_at, serial;

-- revoke: the keys of an agent are good no more
UPDATE hubwatch.agent_keys SET revoked_at = clock_timestamp(), revoked_by = %(by)s, reason = %(reason)s
WHERE hub = %(hub)s AND agent = %(agent)s AND revoked_at IS NULL RETURNING serial;

-- ask_renewal: an agent is to take a new key
UPDATE hubwatch.agent_keys SET renewal_asked_at = now()
WHERE hub = %(hub)s AND agent = %(agent)s AND revoked_at IS NULL AND not_after > now() RETURNING serial;

-- renewed: an agent has taken a new key
UPDATE hubwatch.agent_keys SET renewal_asked_at = NULL WHERE hub = %(hub)s AND agent = %(agent)s;
