-- journal: adds a row to the chain of what was done
SELECT hubwatch.journal(%(who)s::text, %(verified)s::boolean, %(hub)s::text, %(act)s::text, %(subject)s::text, %(details)s::jsonb);

-- steady: lets a transaction see one moment
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- rows: the chain after a row, in order; after 0 everything, also what somebody has put before the first row
SELECT id, (extract(epoch FROM at) * 1000000)::bigint, who, verified, hub, act, subject, details::text, role,
    encode(salt, 'hex'), encode(sealed, 'hex'), encode(previous, 'hex'), encode(hash, 'hex')
FROM hubwatch.audit WHERE id > %(after)s OR %(after)s = 0 ORDER BY id;

-- last: the newest rows, the newest first; of one hub, or of all
SELECT id, (extract(epoch FROM at) * 1000000)::bigint, who, verified, hub, act, subject, details::text, role,
    encode(salt, 'hex'), encode(sealed, 'hex'), encode(previous, 'hex'), encode(hash, 'hex')
FROM hubwatch.audit WHERE %(hub)s::text IS NULL OR hub = %(hub)s::text ORDER BY id DESC LIMIT %(most)s;

-- head: the end of the chain
SELECT id, encode(hash, 'hex') FROM hubwatch.audit_head;

-- signatures: what was signed
SELECT id, encode(hash, 'hex'), (extract(epoch FROM at) * 1000000)::bigint, encode(key, 'hex'), encode(signature, 'hex')
FROM hubwatch.audit_signatures ORDER BY id, at;

-- sign: keeps a signature
INSERT INTO hubwatch.audit_signatures (id, hash, at, key, signature)
VALUES (%s, decode(%s, 'hex'), to_timestamp(0) + %s * INTERVAL '1 microsecond', decode(%s, 'hex'), decode(%s, 'hex'))
ON CONFLICT DO NOTHING;

-- signed: whether a key has signed since a moment, or everything that is there
SELECT EXISTS (SELECT FROM hubwatch.audit_signatures s WHERE s.key = decode(%(key)s, 'hex')
        AND (s.at > clock_timestamp() - %(age)s::interval OR s.id = h.id)) OR h.id = 0, h.id, encode(h.hash, 'hex'),
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
FROM hubwatch.audit_head h;

-- alarms: the alarms' journal beside what the chain says of it
SELECT j.id, j.alarm, (extract(epoch FROM j.at) * 1000000)::bigint, j.action, j.by, j.from_state, j.to_state, j.note, j.detection,
    j.verified::int, a.row, a.digest, a.form
FROM hubwatch.alarm_journal j FULL JOIN (
    SELECT (details ->> 'row')::bigint AS row, details ->> 'digest' AS digest, coalesce((details ->> 'form')::int, 1) AS form
    FROM hubwatch.audit WHERE act = 'alarm_journal'
) a ON a.row = j.id ORDER BY coalesce(j.id, a.row);

-- before: what the chain says of a journal before it was chained row by row, in each form
SELECT (details ->> 'until')::bigint, details ->> 'digest', coalesce((details ->> 'form')::int, 1) FROM hubwatch.audit WHERE act = %(act)s;

-- adjudications: what people found alarms to be beside what the chain says of it
SELECT j.id, j.alarm, (extract(epoch FROM j.at) * 1000000)::bigint, j.detection, j.verdict, j.by, j.note, j.verified::int,
    a.row, a.digest, 1
FROM hubwatch.adjudications j FULL JOIN (
    SELECT (details ->> 'row')::bigint AS row, details ->> 'digest' AS digest FROM hubwatch.audit WHERE act = 'adjudication'
) a ON a.row = j.id ORDER BY coalesce(j.id, a.row);

-- incidents: the incidents' journal beside what the chain says of it
SELECT j.id, j.incident, j.hub, (extract(epoch FROM j.at) * 1000000)::bigint, j.action, j.by, j.verified::int, j.note, j.alarm,
    j.other, j.verdict, j.person, a.row, a.digest, 1
FROM hubwatch.incident_journal j FULL JOIN (
    SELECT (details ->> 'row')::bigint AS row, details ->> 'digest' AS digest FROM hubwatch.audit WHERE act = 'incident_journal'
) a ON a.row = j.id ORDER BY coalesce(j.id, a.row);

-- handovers: the handovers that both have signed beside what the chain says of them
SELECT h.id, h.hub, (extract(epoch FROM h.drafted) * 1000000)::bigint, h.drafted_by, h.drafted_verified::int, h.facts::text,
    h.notes, h.left_by, (extract(epoch FROM h.left_at) * 1000000)::bigint, h.left_verified::int, h.taken_by,
    (extract(epoch FROM h.taken_at) * 1000000)::bigint, h.taken_verified::int, a.row, a.digest, 1
FROM (SELECT * FROM hubwatch.handovers WHERE taken_at IS NOT NULL) h FULL JOIN (
    SELECT (details ->> 'row')::bigint AS row, details ->> 'digest' AS digest FROM hubwatch.audit WHERE act = 'handover signed'
) a ON a.row = h.id ORDER BY coalesce(h.id, a.row);
