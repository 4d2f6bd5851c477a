-- expire: what nobody has decided in time
UPDATE hubwatch.approvals SET decision = 'expired', decided = clock_timestamp()
WHERE decision IS NULL AND expires <= clock_timestamp() RETURNING id, act, hub, subject, asked_by;

-- ask: an act waits for a second person; the same one does not wait twice
INSERT INTO hubwatch.approvals (act, hub, subject, details, reason, asked_by, expires)
VALUES (%(act)s, %(hub)s, %(subject)s, %(details)s, %(reason)s, %(by)s,
    clock_timestamp() + make_interval(secs => %(valid_s)s::double precision))
ON CONFLICT (act, hub, subject) WHERE decision IS NULL DO NOTHING RETURNING id;

-- list_approvals: those that wait, or the last ones too
SELECT id, act, hub, subject, details, reason, asked_by, asked, expires, decision, decided_by, decided, note, done,
    decision IS NULL AND expires > clock_timestamp() AS waits
FROM hubwatch.approvals
WHERE (%(decided)s OR decision IS NULL) AND (%(seen)s::text[] IS NULL OR hub = ANY (%(seen)s))
    AND (%(after)s::bigint[] IS NULL OR ARRAY[(decision IS NOT NULL)::int, -id]::bigint[] > %(after)s::bigint[])
ORDER BY decision IS NOT NULL, id DESC LIMIT %(most)s;

-- one: one of them, and nobody else decides it until the transaction ends
SELECT id, act, hub, subject, details, reason, asked_by, asked, expires, decision, decided_by, decided, note, done,
    decision IS NULL AND expires > clock_timestamp() AS waits
FROM hubwatch.approvals WHERE id = %(id)s FOR UPDATE;

-- changed: whether somebody was let in, or became more than before, shortly before an act was asked for, or since
SELECT id FROM hubwatch.audit
WHERE subject = %(name)s AND act IN ('user.add', 'user.reset', 'user.grant', 'user.enable')
    AND at > %(asked)s - make_interval(secs => %(within_s)s::double precision) LIMIT 1;

-- decide: what the second person says
UPDATE hubwatch.approvals SET decision = %(decision)s, decided_by = %(by)s, decided = clock_timestamp(), note = %(note)s,
    done = CASE WHEN %(done)s THEN clock_timestamp() END
WHERE id = %(id)s;

-- take: an act that was agreed to is done, once
UPDATE hubwatch.approvals SET done = clock_timestamp()
WHERE id = %(id)s AND act = %(act)s AND hub IS NOT DISTINCT FROM %(hub)s AND subject = %(subject)s
    AND decision = 'approved' AND done IS NULL AND expires > clock_timestamp() RETURNING asked_by, decided_by;
