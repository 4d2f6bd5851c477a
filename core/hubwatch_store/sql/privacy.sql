-- events: what a person did, oldest first
SELECT to_jsonb(e) FROM hubwatch.events e WHERE e.subject = %(subject)s ORDER BY e.time;

-- detections: what was found about a person
SELECT to_jsonb(d) FROM hubwatch.detections d WHERE d.subject = %(subject)s ORDER BY d.start;

-- alarms: alarms about a person, with their journals
SELECT to_jsonb(a) || jsonb_build_object('journal',
    (SELECT jsonb_agg(to_jsonb(j) ORDER BY j.id) FROM hubwatch.alarm_journal j WHERE j.alarm = a.id))
FROM hubwatch.alarms a WHERE a.subject = %(subject)s ORDER BY a.id;

-- cardholder: what the list of cardholders says of a person
SELECT to_jsonb(c) FROM hubwatch.cardholders c WHERE c.subject = %(subject)s ORDER BY c.hub;

-- names_readable: whether this login may read names
SELECT has_table_privilege('hubwatch.cardholder_names', 'SELECT');

-- names: names of a person
SELECT to_jsonb(n) FROM hubwatch.cardholder_names n WHERE n.subject = %(subject)s ORDER BY n.hub;

-- open_alarms: alarms about a person that stand
SELECT id FROM hubwatch.alarms WHERE subject = %(subject)s AND closed IS NULL ORDER BY id;

-- holds: holds in force under which something of a person lies
SELECT h.id FROM hubwatch.legal_holds h WHERE h.released IS NULL AND (
    EXISTS (SELECT FROM hubwatch.events e WHERE e.subject = %(subject)s AND e.hub = h.hub
        AND (h.sensor IS NULL OR h.sensor = e.sensor) AND e.time BETWEEN h.held_from AND h.held_to)
    OR EXISTS (SELECT FROM hubwatch.detection d WHERE d.subject = %(subject)s AND d.hub = h.hub
        AND (h.sensor IS NULL OR h.sensor = d.sensor) AND d.start <= h.held_to
        AND coalesce(d."end", (SELECT n."end" FROM hubwatch.detection_ends n WHERE n.id = d.id), 'infinity') >= h.held_from)
    OR EXISTS (SELECT FROM hubwatch.alarms a WHERE a.subject = %(subject)s AND a.hub = h.hub
        AND (h.sensor IS NULL OR h.sensor = a.sensor) AND a.opened <= h.held_to
        AND coalesce(a.closed, 'infinity') >= h.held_from))
ORDER BY h.id;

-- record: begins a record
INSERT INTO hubwatch.privacy_erasures (by, reason, digest)
VALUES (%(by)s, %(reason)s, sha256(convert_to(%(subject)s::text, 'UTF8'))) RETURNING id;

-- finish: ends it
UPDATE hubwatch.privacy_erasures SET counts = %(counts)s WHERE id = %(id)s;

-- forget: takes a person out of all that is stored, under the record that was begun; what happened stays
SELECT hubwatch.forget_person(%(subject)s, %(id)s);

-- hubs: where something is stored about a person
SELECT hub FROM hubwatch.events WHERE subject = %(subject)s
UNION SELECT hub FROM hubwatch.detection WHERE subject = %(subject)s
UNION SELECT hub FROM hubwatch.alarms WHERE subject = %(subject)s
UNION SELECT hub FROM hubwatch.cardholders WHERE subject = %(subject)s ORDER BY 1;

-- erasures: every record, the newest first
SELECT id, at, by, reason, digest = sha256(convert_to(%(subject)s::text, 'UTF8')), counts
FROM hubwatch.privacy_erasures
WHERE (%(subject)s::text IS NULL OR digest = sha256(convert_to(%(subject)s::text, 'UTF8')))
    AND (%(before)s::bigint IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(most)s;

-- old: whether something names a person for longer than the rule says
SELECT EXISTS (SELECT FROM hubwatch.detection d, hubwatch.retention_person r
    WHERE d.subject IS NOT NULL AND d.subject !~ '^erased:' AND d.start < hubwatch.deletion_clock() - r.days * INTERVAL '1 day');

-- expire: takes persons out of old detections, so many at once; what stands, or is held, waits
WITH old AS (
    SELECT d.id FROM hubwatch.detection d, hubwatch.retention_person r
    WHERE d.subject IS NOT NULL AND d.subject !~ '^erased:'
        AND d.start < hubwatch.deletion_clock() - r.days * INTERVAL '1 day'
        AND NOT EXISTS (SELECT FROM hubwatch.alarm_detection b JOIN hubwatch.alarms a ON a.id = b.alarm
            WHERE b.detection = d.id AND a.closed IS NULL)
        AND NOT EXISTS (SELECT FROM hubwatch.legal_holds h WHERE h.released IS NULL AND h.hub = d.hub
            AND (h.sensor IS NULL OR h.sensor = d.sensor) AND d.start <= h.held_to
            AND coalesce(d."end", (SELECT n."end" FROM hubwatch.detection_ends n WHERE n.id = d.id), 'infinity') >= h.held_from)
    ORDER BY d.start LIMIT %(most)s
)
UPDATE hubwatch.detection d SET subject = %(erased)s, why = replace(why, subject, %(erased)s),
    evidence = replace(evidence::text, trim(BOTH '"' FROM to_jsonb(subject)::text), %(erased)s)::jsonb
FROM old WHERE old.id = d.id;

-- expire_alarms: the same with alarms
UPDATE hubwatch.alarms a SET subject = %(erased)s, why = replace(why, subject, %(erased)s)
FROM hubwatch.retention_person r
WHERE a.subject IS NOT NULL AND a.subject !~ '^erased:' AND a.closed IS NOT NULL
    AND a.opened < hubwatch.deletion_clock() - r.days * INTERVAL '1 day'
    AND NOT EXISTS (SELECT FROM hubwatch.legal_holds h WHERE h.released IS NULL AND h.hub = a.hub
        AND (h.sensor IS NULL OR h.sensor = a.sensor) AND a.opened <= h.held_to
        AND coalesce(a.closed, 'infinity') >= h.held_from);

-- person_days: how long persons are named
SELECT days FROM hubwatch.retention_person;

-- set_person_days: changes that
UPDATE hubwatch.retention_person SET days = %(days)s;
