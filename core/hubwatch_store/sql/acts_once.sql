-- forget: those of a user, or of all, that were kept long enough; what lies after now is from before the clock was set back
DELETE FROM hubwatch.acts_once
WHERE (%(user)s::bigint IS NULL OR "user" = %(user)s)
    AND abs(extract(epoch FROM clock_timestamp() - begun)) > %(kept_s)s::double precision;

-- claim: be the one who does it; nothing when it is done or at work already, or the user has as many as one may
INSERT INTO hubwatch.acts_once ("user", key, request)
SELECT %(user)s, %(key)s, %(request)s
WHERE (SELECT count(*) FROM hubwatch.acts_once WHERE "user" = %(user)s) < %(most)s
ON CONFLICT ("user", key) DO NOTHING RETURNING true AS ours;

-- one: what came of it
SELECT request, status, answer, abs(extract(epoch FROM clock_timestamp() - begun))::float8 AS age_s
FROM hubwatch.acts_once WHERE "user" = %(user)s AND key = %(key)s;

-- finish: what came of it
UPDATE hubwatch.acts_once SET status = %(status)s, answer = %(answer)s WHERE "user" = %(user)s AND key = %(key)s;

-- release: nothing was done, so that it may be tried again
DELETE FROM hubwatch.acts_once WHERE "user" = %(user)s AND key = %(key)s AND status IS NULL;
