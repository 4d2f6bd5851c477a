-- begin: a session or an API token
INSERT INTO hubwatch.user_sessions ("user", kind, hash, label, scope_role, scope_hubs, idle, expires)
VALUES (%(user)s, %(kind)s, %(hash)s, %(label)s, %(scope_role)s, %(scope_hubs)s,
    make_interval(secs => %(idle_s)s::double precision),
    clock_timestamp() + make_interval(secs => %(valid_s)s::double precision))
RETURNING id, expires;

-- current: what a token stands for while it is good: not ended, not expired, not idle too long, its user not disabled
SELECT e.id, e.kind, e.scope_role, e.scope_hubs, e.used < clock_timestamp() - INTERVAL '30 s' AS stale, u.name
FROM hubwatch.user_sessions e JOIN hubwatch.users u ON u.id = e."user"
WHERE e.hash = %(hash)s AND e.ended IS NULL AND e.expires > clock_timestamp()
    AND (e.idle IS NULL OR e.used + e.idle > clock_timestamp()) AND u.disabled IS NULL;

-- use: it is not idle
UPDATE hubwatch.user_sessions SET used = clock_timestamp() WHERE id = %(id)s AND used < clock_timestamp();

-- end_one: nobody can use it any more
UPDATE hubwatch.user_sessions SET ended = clock_timestamp(), ended_why = %(why)s
WHERE id = %(id)s AND "user" = %(user)s AND ended IS NULL RETURNING id;

-- end_all: those of a user; the one of `keep` goes on
UPDATE hubwatch.user_sessions SET ended = clock_timestamp(), ended_why = %(why)s
WHERE "user" = %(user)s AND ended IS NULL AND id IS DISTINCT FROM %(keep)s::bigint
    AND (NOT %(only_sessions)s OR kind = 'session') RETURNING id;

-- tokens: the API tokens of a user that are good
SELECT id, label, scope_role, scope_hubs, created, used, expires FROM hubwatch.user_sessions
WHERE "user" = %(user)s AND kind = 'token' AND ended IS NULL AND expires > clock_timestamp()
    AND id > %(after)s ORDER BY id LIMIT %(most)s;

-- forget: those that ended long ago
DELETE FROM hubwatch.user_sessions
WHERE coalesce(ended, expires) < clock_timestamp() - INTERVAL '30 days';
