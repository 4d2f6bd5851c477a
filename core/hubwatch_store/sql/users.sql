-- any: whether a directory is set up
SELECT EXISTS (SELECT FROM hubwatch.users);

-- lock: nobody else changes the directory until the transaction ends
LOCK TABLE hubwatch.users IN SHARE ROW EXCLUSIVE MODE;

-- add: a new user
INSERT INTO hubwatch.users (name, full_name, created_by, issuer, subject)
VALUES (%(name)s, %(full_name)s, %(by)s, %(issuer)s, %(subject)s)
ON CONFLICT (name) DO NOTHING RETURNING id;

-- add_secrets: the place for what shows who they are
INSERT INTO hubwatch.user_secrets ("user") VALUES (%(user)s);

-- forget_grants: take all roles away
DELETE FROM hubwatch.user_grants WHERE "user" = %(user)s;

-- grant: a role at some hubs
INSERT INTO hubwatch.user_grants ("user", role, hubs) VALUES (%(user)s, %(role)s, %(hubs)s)
ON CONFLICT ("user", role) DO UPDATE SET hubs = excluded.hubs;

-- disable: no login from now on
UPDATE hubwatch.users SET disabled = clock_timestamp() WHERE id = %(user)s;

-- enable: logins again
UPDATE hubwatch.users SET disabled = NULL WHERE id = %(user)s;

-- list: users with their grants, and whether they have a password and a second factor; one, or all
SELECT u.id, u.name, u.full_name, u.disabled, u.issuer, s.one_time_until, s.password IS NOT NULL AS has_password,
    s.second_factor_confirmed IS NOT NULL AS has_second_factor,
    coalesce((SELECT jsonb_object_agg(g.role, g.hubs) FROM hubwatch.user_grants g WHERE g."user" = u.id), '{}') AS grants,
    (SELECT max(e.used) FROM hubwatch.user_sessions e WHERE e."user" = u.id) AS used
FROM hubwatch.users u JOIN hubwatch.user_secrets s ON s."user" = u.id
WHERE (%(name)s::text IS NULL OR u.name = %(name)s) AND (%(after)s::text IS NULL OR u.name > %(after)s)
ORDER BY u.name LIMIT %(most)s;

-- reaching: the same of up to so many who may log in and have one of some roles at a hub
SELECT u.id, u.name, u.full_name, u.disabled, u.issuer, s.one_time_until, s.password IS NOT NULL AS has_password,
    s.second_factor_confirmed IS NOT NULL AS has_second_factor,
    (SELECT jsonb_object_agg(g.role, g.hubs) FROM hubwatch.user_grants g WHERE g."user" = u.id) AS grants,
    NULL::timestamptz AS used
FROM hubwatch.users u JOIN hubwatch.user_secrets s ON s."user" = u.id
WHERE u.disabled IS NULL AND EXISTS (SELECT FROM hubwatch.user_grants g
    WHERE g."user" = u.id AND g.role = ANY (%(roles)s) AND g.hubs && %(hubs)s::text[])
ORDER BY u.name LIMIT %(most)s;

-- by_subject: the name of the user whom an identity provider knows by that
SELECT name FROM hubwatch.users WHERE issuer = %(issuer)s AND subject = %(subject)s;
