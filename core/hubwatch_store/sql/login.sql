-- secrets: what shows who a user is
SELECT u.id, u.disabled IS NOT NULL AS disabled, u.issuer, s.password,
    s.one_time_until IS NOT NULL AND s.one_time_until <= clock_timestamp() AS one_time_over,
    s.second_factor, s.second_factor_confirmed IS NOT NULL AS confirmed, s.second_factor_step
FROM hubwatch.users u JOIN hubwatch.user_secrets s ON s."user" = u.id WHERE u.name = %(name)s;

-- set_password: from now on this one; with `one_time_s` only to choose another
UPDATE hubwatch.user_secrets SET password = %(hash)s, password_set = clock_timestamp(),
    one_time_until = clock_timestamp() + make_interval(secs => %(one_time_s)s::double precision)
WHERE "user" = %(user)s;

-- rehash: the same password, hashed as we do now
UPDATE hubwatch.user_secrets SET password = %(hash)s WHERE "user" = %(user)s AND password = %(former)s;

-- no_second_factor: a new one is to be set up
UPDATE hubwatch.user_secrets SET second_factor = NULL, second_factor_confirmed = NULL, second_factor_step = 0
WHERE "user" = %(user)s;

-- begin_second_factor: its key, which counts once a code has confirmed it
UPDATE hubwatch.user_secrets SET second_factor = %(key)s, second_factor_step = 0
WHERE "user" = %(user)s AND second_factor_confirmed IS NULL RETURNING "user";

-- second_factors: the keys of second factors as they are kept
SELECT "user", second_factor FROM hubwatch.user_secrets WHERE second_factor IS NOT NULL ORDER BY "user";

-- reseal: the same key, kept under another one
UPDATE hubwatch.user_secrets SET second_factor = %(kept)s
WHERE "user" = %(user)s AND second_factor = %(former)s RETURNING "user";

-- use_code: a code is good once
UPDATE hubwatch.user_secrets SET second_factor_step = %(step)s,
    second_factor_confirmed = coalesce(second_factor_confirmed, clock_timestamp())
WHERE "user" = %(user)s AND second_factor_step < %(step)s RETURNING "user";

-- count_attempt: a login counts as failed until it has succeeded, so that many at a time gain nothing. From the one
-- after `free` on, the next is not looked at for a time that doubles. No row: it is not looked at.
INSERT INTO hubwatch.login_failures AS f (key, failures, last) VALUES (%(key)s, 1, clock_timestamp())
ON CONFLICT (key) DO UPDATE SET last = clock_timestamp(),
    failures = CASE WHEN f.last < clock_timestamp() - make_interval(secs => %(forget_s)s::double precision) THEN 1
        ELSE f.failures + 1 END,
    locked_until = CASE WHEN f.failures >= %(free)s
            AND f.last >= clock_timestamp() - make_interval(secs => %(forget_s)s::double precision)
        THEN clock_timestamp() + make_interval(
            secs => least(%(most_s)s::double precision, %(first_s)s * power(2, least(f.failures - %(free)s, 20)))) END
WHERE f.locked_until IS NULL OR f.locked_until <= clock_timestamp()
RETURNING failures, locked_until IS NOT NULL AS locks;

-- locked_for: seconds until it is looked at again
SELECT extract(epoch FROM locked_until - clock_timestamp())::double precision AS seconds
FROM hubwatch.login_failures WHERE key = %(key)s;

-- clear_failures: after a login that was good
DELETE FROM hubwatch.login_failures WHERE key = %(key)s;

-- give_back: a login that was good does not count; what failed before it does
UPDATE hubwatch.login_failures SET failures = greatest(0, failures - 1), locked_until = NULL WHERE key = %(key)s;

-- forget_failures: those of long ago
DELETE FROM hubwatch.login_failures WHERE last < clock_timestamp() - INTERVAL '2 days';

-- begin_oidc: a login at an identity provider begins
INSERT INTO hubwatch.oidc_logins (state, binding, nonce, verifier, redirect_uri, expires)
VALUES (%(state)s, %(binding)s, %(nonce)s, %(verifier)s, %(redirect_uri)s, clock_timestamp() + INTERVAL '10 minutes');

-- take_oidc: it comes back, once
DELETE FROM hubwatch.oidc_logins WHERE state = %(state)s
RETURNING binding, nonce, verifier, redirect_uri, expires > clock_timestamp() AS in_time;

-- forget_oidc: those that did not come back
DELETE FROM hubwatch.oidc_logins WHERE expires < clock_timestamp();
