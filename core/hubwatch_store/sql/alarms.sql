-- lock: wait to be the only one who moves alarms; held to the end of the transaction
-- A batch of findings touches many alarms and incidents in any order: one lock for all can not deadlock.
SELECT hubwatch.lock_alarms();

-- take_arrivals: take the findings that wait, oldest first, with their sensor's zone
WITH taken AS (
    DELETE FROM hubwatch.alarm_inbox
    WHERE id IN (SELECT id FROM hubwatch.alarm_inbox ORDER BY id LIMIT %(most)s)
    RETURNING id, detection, ended
)
SELECT taken.ended AS is_end, EXISTS (SELECT FROM hubwatch.alarm_detection b WHERE b.detection = d.id) AS bound,
    d.id, d.type, d.hub, d.sensor, d.subject, d.start, d."end", d.detected, d.score, d.priority, d.detector, d.version,
    d.late, d.why, d.peak, d.exercise, s.zone, e.why AS end_why, e.id IS NOT NULL AS ended_later, w.outcome AS delay,
    w.detection IS NOT NULL AND w.outcome IS NULL AS waits
FROM taken
JOIN hubwatch.detections d ON d.id = taken.detection
LEFT JOIN hubwatch.sensors s ON s.hub = d.hub AND s.sensor = d.sensor
LEFT JOIN hubwatch.detection_ends e ON e.id = d.id
LEFT JOIN hubwatch.alarm_delayed w ON w.detection = d.id
ORDER BY taken.id;

-- refuse: keep a finding of which no alarm can be made
INSERT INTO hubwatch.alarm_refused (detection, ended, hub, reason) VALUES (%(detection)s, %(ended)s, %(hub)s, %(reason)s)
ON CONFLICT (detection, ended) DO UPDATE SET refused = clock_timestamp(), reason = excluded.reason;

-- refused: how many findings made no alarm
SELECT count(*) AS refused FROM hubwatch.alarm_refused;

-- waiting: how many findings wait
SELECT count(*) AS waiting FROM hubwatch.alarm_inbox;

-- bind: say which alarms detections went to
INSERT INTO hubwatch.alarm_detection (detection, alarm, ended)
SELECT * FROM unnest(%(detections)s::text[], %(alarms)s::bigint[], %(ended)s::boolean[])
ON CONFLICT DO NOTHING;

-- bound: the alarms that detections went to, and whether their ends were counted
SELECT b.detection, b.ended AS counted, a.* FROM hubwatch.alarm_detection b JOIN hubwatch.alarms a ON a.id = b.alarm
WHERE b.detection = ANY (%(detections)s::text[]);

-- end_some: count the ends of detections
UPDATE hubwatch.alarm_detection SET ended = true WHERE detection = ANY (%(detections)s::text[]) AND NOT ended;

-- end_detections: count the ends of all detections of some alarms, so that one that comes later counts for nothing
UPDATE hubwatch.alarm_detection SET ended = true WHERE alarm = ANY (%(alarms)s::bigint[]) AND NOT ended;

-- next_ids: draw the numbers of new alarms
SELECT nextval(pg_get_serial_sequence('hubwatch.alarms', 'id')) AS id FROM generate_series(1, %(count)s);

-- standing: of some conditions the open alarm, or else the one it had last, if that closed since a moment and no person ended it
SELECT k.n, found.* FROM unnest(%(hubs)s::text[], %(sensors)s::text[], %(types)s::text[], %(subjects)s::text[],
    %(exercises)s::bigint[]) WITH ORDINALITY k (hub, sensor, type, subject, exercise, n)
CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT a.*, false AS by_person FROM hubwatch.alarms a
        WHERE a.hub = k.hub AND a.sensor = k.sensor AND a.type = k.type AND a.subject IS NOT DISTINCT FROM k.subject
            AND a.exercise IS NOT DISTINCT FROM k.exercise AND a.closed IS NULL
        UNION ALL
        (SELECT a.*, EXISTS (SELECT FROM hubwatch.alarm_journal j
            WHERE j.alarm = a.id AND j.action = 'closed' AND j.note IS NOT NULL) AS by_person
        FROM hubwatch.alarms a
        WHERE a.hub = k.hub AND a.sensor = k.sensor AND a.type = k.type AND a.subject IS NOT DISTINCT FROM k.subject
            AND a.exercise IS NOT DISTINCT FROM k.exercise AND a.closed >= %(since)s
        ORDER BY a.closed DESC LIMIT 1)
    ) one ORDER BY closed DESC LIMIT 1
) found;

-- closed_alarm: the closed alarm of a condition that was known to be there for all of a stretch of time
SELECT * FROM hubwatch.alarms
WHERE hub = %(hub)s AND sensor = %(sensor)s AND type = %(type)s AND subject IS NOT DISTINCT FROM %(subject)s
    AND exercise IS NOT DISTINCT FROM %(exercise)s::bigint AND closed IS NOT NULL AND opened <= %(start)s AND last_active >= %(end)s
ORDER BY closed DESC LIMIT 1;

-- by_id: one alarm
SELECT * FROM hubwatch.alarms WHERE id = %(id)s;

-- shelf_over: shelved alarms whose time is over, or that were shelved after now because the clock was set back since
SELECT a.* FROM hubwatch.alarms a
WHERE state = 'shelved' AND (shelved_until <= %(now)s OR %(now)s + INTERVAL '1 minute' < (
    SELECT j.at FROM hubwatch.alarm_journal j WHERE j.alarm = a.id AND j.action = 'shelved' ORDER BY j.id DESC LIMIT 1))
ORDER BY id;

-- moments_over: alarms that return or are told again at a moment that has come, or that lies so far ahead that the clock was
-- set back since
SELECT * FROM hubwatch.alarms
WHERE returns_at <= %(now)s OR returns_at > %(now)s + %(longest_s)s * INTERVAL '1 second'
    OR realarm <= %(now)s OR realarm > %(now)s + %(longest_s)s * INTERVAL '1 second'
ORDER BY priority, id LIMIT %(most)s;

-- delay: let a detection wait, or (`outcome`) say that it was over before its time
INSERT INTO hubwatch.alarm_delayed (detection, hub, since, due, outcome, decided)
VALUES (%(detection)s, %(hub)s, %(now)s, %(due)s, %(outcome)s::text,
    CASE WHEN %(outcome)s::text IS NULL THEN NULL ELSE %(now)s END)
ON CONFLICT DO NOTHING;

-- delayed_ended: a detection that waits has ended: it made no alarm, or has lasted long enough
UPDATE hubwatch.alarm_delayed SET outcome = CASE WHEN %(lasted)s THEN 'alarmed' ELSE 'passed' END, decided = %(now)s
WHERE detection = %(detection)s AND outcome IS NULL RETURNING outcome;

-- delays_over: the detections that have waited long enough, or since a moment after now because the clock was set back
UPDATE hubwatch.alarm_delayed SET outcome = 'alarmed', decided = %(now)s
WHERE detection IN (SELECT detection FROM hubwatch.alarm_delayed
    WHERE outcome IS NULL AND (due <= %(now)s OR since > %(now)s + INTERVAL '1 minute') ORDER BY due LIMIT %(most)s)
RETURNING detection;

-- take_again: let a detection be taken, which waited
INSERT INTO hubwatch.alarm_inbox (detection, ended) VALUES (%(detection)s, false);

-- last_entries: when something was last written about some alarms
SELECT a.id, j.at FROM unnest(%(alarms)s::bigint[]) a (id)
CROSS JOIN LATERAL (SELECT n.at FROM hubwatch.alarm_journal n
    WHERE n.alarm = a.id AND n.action NOT IN ('escalated', 'realarmed') ORDER BY n.id DESC LIMIT 1) j;

-- delays_dropped: what waits of something that is gone makes no alarm
UPDATE hubwatch.alarm_delayed w SET outcome = 'passed', decided = %(now)s FROM hubwatch.detection d
WHERE w.detection = d.id AND w.outcome IS NULL AND d.hub = %(hub)s
    AND (%(sensor)s::text IS NULL OR d.sensor = %(sensor)s)
    AND (%(types)s::text[] IS NULL OR EXISTS (SELECT FROM unnest(%(types)s::text[]) t
        WHERE d.type = t OR starts_with(d.type, t || '.')));

-- ask_closing: wish that open alarms end because what reported them is gone
INSERT INTO hubwatch.alarm_closing (hub, sensor, types, by, reason, keep_unacknowledged)
VALUES (%(hub)s, %(sensor)s, %(types)s, %(by)s, %(reason)s, %(keep_unacknowledged)s);

-- closings: such wishes, oldest first
SELECT id, hub, sensor, types, by, reason, keep_unacknowledged FROM hubwatch.alarm_closing ORDER BY id LIMIT %(most)s;

-- closed_by_wish: the open alarms that one of them is about, without those that it would not change
SELECT * FROM hubwatch.alarms a
WHERE a.hub = %(hub)s AND a.closed IS NULL
    AND (%(sensor)s::text IS NULL OR a.sensor = %(sensor)s)
    AND (%(types)s::text[] IS NULL OR EXISTS (
        SELECT FROM unnest(%(types)s::text[]) wanted WHERE a.type = wanted OR starts_with(a.type, wanted || '.')))
    AND (a.active > 0 OR NOT %(keep_unacknowledged)s)
ORDER BY a.id LIMIT %(most)s;

-- closing_done: take a wish away
DELETE FROM hubwatch.alarm_closing WHERE id = %(id)s;

-- save: write alarms as they stand now, in the order in which they are given
INSERT INTO hubwatch.alarms (
    id, hub, zone, sensor, type, subject, priority, state, opened, last_active, returned, acknowledged,
    acknowledged_by, closed, shelved_until, detections, active, why, score, late, incident, peak, returns_at, realarm,
    unseen, latching, exercise)
OVERRIDING SYSTEM VALUE
SELECT * FROM unnest(
    %(id)s::bigint[], %(hub)s::text[], %(zone)s::text[], %(sensor)s::text[], %(type)s::text[], %(subject)s::text[],
    %(priority)s::smallint[], %(state)s::text[], %(opened)s::timestamptz[], %(last_active)s::timestamptz[],
    %(returned)s::timestamptz[], %(acknowledged)s::timestamptz[], %(acknowledged_by)s::text[],
    %(closed)s::timestamptz[], %(shelved_until)s::timestamptz[], %(detections)s::integer[], %(active)s::integer[],
    %(why)s::text[], %(score)s::float8[], %(late)s::boolean[], %(incident)s::bigint[], %(peak)s::float8[],
    %(returns_at)s::timestamptz[], %(realarm)s::timestamptz[], %(unseen)s::boolean[], %(latching)s::boolean[],
    %(exercise)s::bigint[])
ON CONFLICT (id) DO UPDATE SET
    priority = excluded.priority, state = excluded.state, opened = excluded.opened, last_active = excluded.last_active,
    returned = excluded.returned, acknowledged = excluded.acknowledged, acknowledged_by = excluded.acknowledged_by,
    closed = excluded.closed, shelved_until = excluded.shelved_until, detections = excluded.detections,
    active = excluded.active, why = excluded.why, score = excluded.score, late = excluded.late,
    incident = excluded.incident, peak = excluded.peak, returns_at = excluded.returns_at, realarm = excluded.realarm,
    unseen = excluded.unseen;

-- write_entries: add lines to the journals of alarms, in the order in which they are given; the routes have to be asked about them
WITH written AS (
    INSERT INTO hubwatch.alarm_journal (alarm, at, action, by, from_state, to_state, note, detection, verified)
    SELECT alarm, at, action, by, from_state, to_state, note, detection, verified
    FROM unnest(%(alarms)s::bigint[], %(times)s::timestamptz[], %(actions)s::text[], %(persons)s::text[],
        %(from_states)s::text[], %(to_states)s::text[], %(notes)s::text[], %(detections)s::text[], %(verified)s::boolean[])
        WITH ORDINALITY e (alarm, at, action, by, from_state, to_state, note, detection, verified, n)
    ORDER BY n
    RETURNING id
)
INSERT INTO hubwatch.alarm_unrouted (journal) SELECT id FROM written;

-- journal: the journal of one alarm
SELECT at, action, by, from_state, to_state, note, detection, verified FROM hubwatch.alarm_journal
WHERE alarm = %(alarm)s ORDER BY id;

-- list_alarms: open alarms in the order in which they want attention
-- What is real goes before every exercise, what nobody has before what somebody has, and of one priority what is there before what
-- is gone. In a flood: what is never folded, then the others by which was first, causes and symptoms apart.
-- Each has a place in that order, by which a page goes on where the one before ended, whatever has come meanwhile.
SELECT a.*, k.place FROM hubwatch.alarms a
LEFT JOIN hubwatch.alarm_floods f ON f.hub = a.hub
LEFT JOIN hubwatch.alarm_causes c ON c.alarm = a.id AND f.hub IS NOT NULL
CROSS JOIN LATERAL (SELECT ARRAY[0, (a.exercise IS NOT NULL)::int, (c.cause IS NOT NULL)::int,
    CASE WHEN a.state IN ('unacknowledged', 'returned') THEN 0 WHEN a.state = 'acknowledged' THEN 1 ELSE 2 END,
    CASE WHEN f.hub IS NULL THEN 2 * a.priority + (a.state = 'returned')::int
        WHEN a.priority = 1 OR a.type LIKE '%%.duress' OR a.type LIKE '%%.tamper' THEN 1 ELSE 2 END,
    CASE WHEN f.hub IS NULL THEN 9223372036854775807 ELSE (date_part('epoch', a.opened) * 1000000)::bigint END,
    -(date_part('epoch', a.opened) * 1000000)::bigint, a.id]::bigint[] AS place) k
WHERE a.closed IS NULL AND (%(hub)s::text IS NULL OR a.hub = %(hub)s)
    AND (%(seen)s::text[] IS NULL OR a.hub = ANY (%(seen)s)) AND (%(after)s::bigint[] IS NULL OR k.place > %(after)s::bigint[])
ORDER BY k.place LIMIT %(most)s;

-- list_closed: closed alarms, those first that closed last, exercises among them; their places come after every open one
-- Hub by hub from the index of their ends, so that a page costs what it shows, and not what was ever closed.
WITH RECURSIVE ends AS (
    (SELECT hub FROM hubwatch.alarms WHERE closed IS NOT NULL ORDER BY hub LIMIT 1)
    UNION ALL
    SELECT (SELECT a.hub FROM hubwatch.alarms a WHERE a.closed IS NOT NULL AND a.hub > e.hub ORDER BY a.hub LIMIT 1)
    FROM ends e WHERE e.hub IS NOT NULL
)
SELECT c.*, ARRAY[1, 0, 0, 0, 0, 0, -(date_part('epoch', c.closed) * 1000000)::bigint, -c.id]::bigint[] AS place
FROM ends e CROSS JOIN LATERAL (
    SELECT a.* FROM hubwatch.alarms a
    WHERE a.hub = e.hub AND a.closed IS NOT NULL
        AND (a.closed, a.id) < (%(before)s::timestamptz, %(before_id)s::bigint)
    ORDER BY a.closed DESC, a.id DESC LIMIT %(most)s
) c
WHERE (%(hub)s::text IS NULL OR e.hub = %(hub)s) AND (%(seen)s::text[] IS NULL OR e.hub = ANY (%(seen)s))
ORDER BY c.closed DESC, c.id DESC LIMIT %(most)s;

-- floods: the hubs that are in a flood
SELECT hub, since, presented FROM hubwatch.alarm_floods
WHERE (%(seen)s::text[] IS NULL OR hub = ANY (%(seen)s)) ORDER BY hub;

-- causes: which alarm is the cause of some alarms
SELECT alarm, cause FROM hubwatch.alarm_causes WHERE alarm = ANY (%(alarms)s::bigint[]);

-- count_alarms: how many of the open ones there are, after a place where that is given
SELECT count(*) AS alarms FROM hubwatch.alarms a
LEFT JOIN hubwatch.alarm_floods f ON f.hub = a.hub
LEFT JOIN hubwatch.alarm_causes c ON c.alarm = a.id AND f.hub IS NOT NULL
CROSS JOIN LATERAL (SELECT ARRAY[0, (a.exercise IS NOT NULL)::int, (c.cause IS NOT NULL)::int,
    CASE WHEN a.state IN ('unacknowledged', 'returned') THEN 0 WHEN a.state = 'acknowledged' THEN 1 ELSE 2 END,
    CASE WHEN f.hub IS NULL THEN 2 * a.priority + (a.state = 'returned')::int
        WHEN a.priority = 1 OR a.type LIKE '%%.duress' OR a.type LIKE '%%.tamper' THEN 1 ELSE 2 END,
    CASE WHEN f.hub IS NULL THEN 9223372036854775807 ELSE (date_part('epoch', a.opened) * 1000000)::bigint END,
    -(date_part('epoch', a.opened) * 1000000)::bigint, a.id]::bigint[] AS place) k
WHERE a.closed IS NULL AND (%(hub)s::text IS NULL OR a.hub = %(hub)s)
    AND (%(seen)s::text[] IS NULL OR a.hub = ANY (%(seen)s)) AND (%(after)s::bigint[] IS NULL OR k.place > %(after)s::bigint[]);

-- count_closed: how many of the closed ones there are, counted up to a bound
WITH RECURSIVE ends AS (
    (SELECT hub FROM hubwatch.alarms WHERE closed IS NOT NULL ORDER BY hub LIMIT 1)
    UNION ALL
    SELECT (SELECT a.hub FROM hubwatch.alarms a WHERE a.closed IS NOT NULL AND a.hub > e.hub ORDER BY a.hub LIMIT 1)
    FROM ends e WHERE e.hub IS NOT NULL
)
SELECT count(*) AS alarms FROM (
    SELECT FROM ends e CROSS JOIN LATERAL (
        SELECT FROM hubwatch.alarms a
        WHERE a.hub = e.hub AND a.closed IS NOT NULL
            AND (a.closed, a.id) < (%(before)s::timestamptz, %(before_id)s::bigint)
        ORDER BY a.closed DESC, a.id DESC LIMIT %(most)s
    ) c
    WHERE (%(hub)s::text IS NULL OR e.hub = %(hub)s) AND (%(seen)s::text[] IS NULL OR e.hub = ANY (%(seen)s))
    LIMIT %(most)s
) counted;

-- count_open: open alarms by state and priority, without exercises
SELECT state, priority, count(*) AS alarms FROM hubwatch.alarms WHERE closed IS NULL AND exercise IS NULL GROUP BY state, priority;
