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
    d.late, d.why, d.peak, s.zone, e.why AS end_why, e.id IS NOT NULL AS ended_later, w.outcome AS delay
FROM taken
JOIN hubwatch.detections d ON d.id = taken.detection
LEFT JOIN hubwatch.sensors s ON s.hub = d.hub AND s.sensor = d.sensor
LEFT JOIN hubwatch.detection_ends e ON e.id = d.id
LEFT JOIN hubwatch.alarm_delayed w ON w.detection = d.id
ORDER BY taken.id;

-- waiting: how many findings wait
SELECT count(*) AS waiting FROM hubwatch.alarm_inbox;

-- bind: say which alarm a detection went to
INSERT INTO hubwatch.alarm_detection (detection, alarm, ended) VALUES (%(detection)s, %(alarm)s, %(ended)s)
ON CONFLICT DO NOTHING;

-- end_detection: count a detection's end, once; gives its alarm
UPDATE hubwatch.alarm_detection SET ended = true WHERE detection = %(detection)s AND NOT ended RETURNING alarm;

-- end_detections: count the ends of all detections of an alarm, so that one that comes later counts for nothing
UPDATE hubwatch.alarm_detection SET ended = true WHERE alarm = %(alarm)s AND NOT ended;

-- next_id: draw the number of a new alarm
SELECT nextval(pg_get_serial_sequence('hubwatch.alarms', 'id')) AS id;

-- standing: the open alarm of a condition, or else the one it had last, if that closed since a moment and no person ended it
SELECT * FROM (
    SELECT a.*, false AS ended FROM hubwatch.alarms a
    WHERE hub = %(hub)s AND sensor = %(sensor)s AND type = %(type)s AND subject IS NOT DISTINCT FROM %(subject)s
        AND closed IS NULL
    UNION ALL
    (SELECT a.*, EXISTS (SELECT FROM hubwatch.alarm_journal j
        WHERE j.alarm = a.id AND j.action = 'closed' AND j.note IS NOT NULL) AS ended
    FROM hubwatch.alarms a
    WHERE hub = %(hub)s AND sensor = %(sensor)s AND type = %(type)s AND subject IS NOT DISTINCT FROM %(subject)s
        AND closed >= %(since)s
    ORDER BY closed DESC LIMIT 1)
) found ORDER BY closed DESC LIMIT 1;

-- closed_alarm: the closed alarm of a condition that was known to be there for all of a stretch of time
SELECT * FROM hubwatch.alarms
WHERE hub = %(hub)s AND sensor = %(sensor)s AND type = %(type)s AND subject IS NOT DISTINCT FROM %(subject)s
    AND closed IS NOT NULL AND opened <= %(start)s AND last_active >= %(end)s
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

-- last_entry: when something was last written about an alarm
SELECT at FROM hubwatch.alarm_journal WHERE alarm = %(alarm)s AND action NOT IN ('escalated', 'realarmed')
ORDER BY id DESC LIMIT 1;

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

-- save: write an alarm as it stands now
INSERT INTO hubwatch.alarms (id, hub, zone, sensor, type, subject, priority, state, opened, last_active, returned,
    acknowledged, acknowledged_by, closed, shelved_until, detections, active, why, score, late, incident, peak,
    returns_at, realarm, unseen, latching)
OVERRIDING SYSTEM VALUE
VALUES (%(id)s, %(hub)s, %(zone)s, %(sensor)s, %(type)s, %(subject)s, %(priority)s, %(state)s, %(opened)s,
    %(last_active)s, %(returned)s, %(acknowledged)s, %(acknowledged_by)s, %(closed)s, %(shelved_until)s,
    %(detections)s, %(active)s, %(why)s, %(score)s, %(late)s, %(incident)s, %(peak)s,
    %(returns_at)s, %(realarm)s, %(unseen)s, %(latching)s)
ON CONFLICT (id) DO UPDATE SET priority = excluded.priority, state = excluded.state, opened = excluded.opened,
    last_active = excluded.last_active, returned = excluded.returned, acknowledged = excluded.acknowledged,
    acknowledged_by = excluded.acknowledged_by, closed = excluded.closed, shelved_until = excluded.shelved_until,
    detections = excluded.detections, active = excluded.active, why = excluded.why, score = excluded.score,
    late = excluded.late, incident = excluded.incident, peak = excluded.peak, returns_at = excluded.returns_at,
    realarm = excluded.realarm, unseen = excluded.unseen;

-- write_entry: add a line to an alarm's journal; the routes have to be asked about it
WITH written AS (
    INSERT INTO hubwatch.alarm_journal (alarm, at, action, by, from_state, to_state, note, detection, verified)
    VALUES (%(alarm)s, %(at)s, %(action)s, %(by)s, %(from_state)s, %(to_state)s, %(note)s, %(detection)s,
        %(verified)s)
    RETURNING id
)
INSERT INTO hubwatch.alarm_unrouted (journal) SELECT id FROM written;

-- journal: the journal of one alarm
SELECT at, action, by, from_state, to_state, note, detection, verified FROM hubwatch.alarm_journal
WHERE alarm = %(alarm)s ORDER BY id;

-- list_alarms: alarms in the order in which they want attention
-- In a flood: what is never folded, then the others by which was first, causes and symptoms apart.
SELECT a.* FROM hubwatch.alarms a
LEFT JOIN hubwatch.alarm_floods f ON f.hub = a.hub
LEFT JOIN hubwatch.alarm_causes c ON c.alarm = a.id AND f.hub IS NOT NULL
WHERE (%(closed)s OR a.closed IS NULL) AND (%(hub)s::text IS NULL OR a.hub = %(hub)s)
    AND (%(seen)s::text[] IS NULL OR a.hub = ANY (%(seen)s))
ORDER BY a.closed IS NOT NULL,
    c.cause IS NOT NULL,
    CASE a.state WHEN 'unacknowledged' THEN 0 WHEN 'returned' THEN 1 WHEN 'acknowledged' THEN 2 ELSE 3 END,
    CASE WHEN f.hub IS NULL OR a.priority = 1 OR a.type LIKE '%%.duress' OR a.type LIKE '%%.tamper' THEN
        CASE WHEN f.hub IS NULL THEN a.priority ELSE 1 END ELSE 2 END,
    CASE WHEN f.hub IS NULL THEN NULL ELSE a.opened END, a.opened DESC, a.id
LIMIT %(most)s;

-- floods: the hubs that are in a flood
SELECT hub, since, presented FROM hubwatch.alarm_floods
WHERE (%(seen)s::text[] IS NULL OR hub = ANY (%(seen)s)) ORDER BY hub;

-- causes: which alarm is the cause of some alarms
SELECT alarm, cause FROM hubwatch.alarm_causes WHERE alarm = ANY (%(alarms)s::bigint[]);

-- count_alarms: how many there are of them
SELECT count(*) AS alarms FROM hubwatch.alarms
WHERE (%(closed)s OR closed IS NULL) AND (%(hub)s::text IS NULL OR hub = %(hub)s)
    AND (%(seen)s::text[] IS NULL OR hub = ANY (%(seen)s));

-- count_open: open alarms by state and priority
SELECT state, priority, count(*) AS alarms FROM hubwatch.alarms WHERE closed IS NULL GROUP BY state, priority;
