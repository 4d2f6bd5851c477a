-- take_unrouted: take the journal entries that no route has been asked about
WITH taken AS (
    DELETE FROM hubwatch.alarm_unrouted
    WHERE journal IN (SELECT journal FROM hubwatch.alarm_unrouted ORDER BY journal LIMIT %(most)s
                      FOR UPDATE SKIP LOCKED)
    RETURNING journal
)
SELECT j.id AS journal, j.action, a.id AS alarm, a.type, a.subject, a.priority, a.hub, a.zone,
    coalesce(h.security_level, 1) AS level,
    (j.action IN ('repeated', 'returned') AND j.to_state IN ('suppressed', 'out_of_service'))
        OR (j.action = 'released' AND j.to_state = 'normal')
        OR (j.action IN ('released', 'shelf_expired') AND j.to_state = 'acknowledged')
        -- Last: it reads the whole journal of an alarm that nobody was told of.
        OR NOT EXISTS (SELECT FROM hubwatch.alarm_journal e WHERE e.alarm = j.alarm AND e.id <= j.id
            AND e.to_state NOT IN ('suppressed', 'out_of_service', 'normal')) AS is_untold
FROM taken JOIN hubwatch.alarm_journal j ON j.id = taken.journal JOIN hubwatch.alarms a ON a.id = j.alarm
LEFT JOIN hubwatch.hubs h ON h.hub = a.hub
ORDER BY j.id;

-- queue: put messages into the outbox, unless the step of an escalation has put them there
INSERT INTO hubwatch.notification_outbox (id, journal, alarm, route)
SELECT * FROM unnest(%(ids)s::text[], %(journals)s::bigint[], %(alarms)s::bigint[], %(routes)s::text[])
ON CONFLICT (journal, route) DO NOTHING;

-- claim: take the most urgent due message of a route for one attempt, so that nobody else sends it meanwhile
-- Of which incidents people were told a moment ago is asked once, and not for each message that waits.
WITH told AS MATERIALIZED (
    SELECT b.incident, d.route, min(b.priority) AS priority
    FROM hubwatch.notification_outbox d JOIN hubwatch.alarms b ON b.id = d.alarm
    WHERE d.route = ANY (%(routes)s::text[]) AND d.state = 'delivered' AND d.route LIKE '%%/%%'
        AND d.finished BETWEEN (SELECT clock_timestamp() - %(group_s)s * interval '1 s') AND (SELECT clock_timestamp())
        AND NOT EXISTS (SELECT FROM hubwatch.alarm_journal j
            WHERE j.alarm = b.id AND j.action = 'raised' AND j.id > d.journal)
    GROUP BY b.incident, d.route
)
UPDATE hubwatch.notification_outbox SET attempts = attempts + 1, due = clock_timestamp() + %(lease_s)s * interval '1 s'
WHERE id = (
    SELECT o.id FROM hubwatch.notification_outbox o JOIN hubwatch.alarms a ON a.id = o.alarm
    WHERE o.route = ANY (%(routes)s::text[]) AND o.state = 'waiting'
        -- What an escalation tells is told nobody once a person has the alarm, also in the moment before it is withdrawn.
        AND (o.escalation IS NULL OR a.state IN ('unacknowledged', 'returned'))
        -- What was queued or tried in the future was so before the clock was set back: its time to wait is not known.
        AND (o.due <= clock_timestamp() OR clock_timestamp() + INTERVAL '1 minute' < coalesce(
            (SELECT n.at FROM hubwatch.notifications n WHERE n.message = o.id ORDER BY n.id DESC LIMIT 1), o.queued))
        AND coalesce(o.revived, o.queued) > clock_timestamp() - %(give_up_after_s)s * interval '1 s'
        -- A person who was told of the incident a moment ago is told once more of all that comes meanwhile, and not of each;
        -- what is critical, duress and tampering do not wait, and neither does what is more urgent than all they were told.
        AND (a.priority = 1 OR a.type LIKE '%%.duress' OR a.type LIKE '%%.tamper' OR NOT EXISTS (
            SELECT FROM told t WHERE t.incident = a.incident AND t.route = o.route AND t.priority <= a.priority))
    -- What is real goes before every exercise.
    ORDER BY a.exercise IS NOT NULL, a.priority, o.queued, o.journal LIMIT 1 FOR UPDATE OF o SKIP LOCKED
)
RETURNING id, route, journal, alarm, attempts,
    greatest(extract(epoch FROM clock_timestamp() - coalesce(revived, queued)), 0)::float8 AS age_s;

-- gather: take what waits for the same person of the same incident, too, to tell it with the first message
UPDATE hubwatch.notification_outbox o
SET attempts = o.attempts + 1, due = clock_timestamp() + %(lease_s)s * interval '1 s'
FROM hubwatch.alarms a
WHERE a.id = o.alarm AND o.id IN (
    SELECT w.id FROM hubwatch.notification_outbox w JOIN hubwatch.alarms b ON b.id = w.alarm
    WHERE w.route = %(route)s AND w.state = 'waiting' AND w.due <= clock_timestamp() AND w.id <> %(message)s
        AND b.incident = %(incident)s AND b.priority > 1
        AND b.type NOT LIKE '%%.duress' AND b.type NOT LIKE '%%.tamper'
        AND (w.escalation IS NULL OR b.state IN ('unacknowledged', 'returned'))
        -- What is more urgent than all that this person was told of the incident is told alone.
        AND (NOT EXISTS (SELECT FROM hubwatch.alarms t JOIN hubwatch.notification_outbox d ON d.alarm = t.id
                WHERE t.incident = %(incident)s AND d.route = %(route)s AND d.state = 'delivered')
            OR EXISTS (SELECT FROM hubwatch.alarms t JOIN hubwatch.notification_outbox d ON d.alarm = t.id
                WHERE t.incident = %(incident)s AND d.route = %(route)s AND d.state = 'delivered'
                    AND t.priority <= %(priority)s AND NOT EXISTS (SELECT FROM hubwatch.alarm_journal j
                        WHERE j.alarm = t.id AND j.action = 'raised' AND j.id > d.journal)))
    ORDER BY w.journal LIMIT 1000 FOR UPDATE OF w SKIP LOCKED)
RETURNING o.id, o.attempts AS attempt, o.alarm, a.type, a.priority, a.zone, a.sensor;

-- entry: the journal entry a message tells of, and when people could first hear of the alarm
SELECT j.at, j.action, j.by, j.from_state, j.to_state, j.note, j.detection, coalesce(f.at, j.at) AS first_at
FROM hubwatch.alarm_journal j
LEFT JOIN LATERAL (SELECT e.at FROM hubwatch.alarm_journal e WHERE e.alarm = j.alarm
    AND e.to_state NOT IN ('suppressed', 'out_of_service', 'normal') ORDER BY e.id LIMIT 1) f ON true
WHERE j.id = %(journal)s;

-- begin_attempt: record that an attempt is under way, with which attempt of which message where it is told with another one
INSERT INTO hubwatch.notifications (alarm, route, attempt, outcome, message, carried_by, carried_attempt)
VALUES (%(alarm)s, %(route)s, %(attempt)s, 'sending', %(message)s, %(carried_by)s, %(carried_attempt)s);

-- end_attempt: record what came of an attempt
UPDATE hubwatch.notifications SET outcome = %(outcome)s, status = %(status)s, error = %(error)s
WHERE message = %(message)s AND attempt = %(attempt)s AND outcome = 'sending';

-- finish: say that a message needs no further attempt
-- What was on its way when it was withdrawn, or when another process gave it up, and is delivered, was told.
UPDATE hubwatch.notification_outbox SET state = %(state)s, finished = clock_timestamp()
WHERE id = %(message)s AND (state = 'waiting' OR (%(state)s = 'delivered' AND state <> 'delivered'));

-- postpone: say when a message is to be tried again
UPDATE hubwatch.notification_outbox SET due = clock_timestamp() + %(pause_s)s * interval '1 s'
WHERE id = %(message)s AND state = 'waiting';

-- hold_route: try nothing on a route for a while, because the other side asked so
UPDATE hubwatch.notification_outbox SET due = greatest(due, clock_timestamp() + %(pause_s)s * interval '1 s')
WHERE split_part(route, '/', 1) = split_part(%(route)s, '/', 1) AND state = 'waiting';

-- give_up: stop trying what is too old, on whatever route; each is recorded as given up
WITH stopped AS (
    UPDATE hubwatch.notification_outbox SET state = 'given_up', finished = clock_timestamp()
    WHERE state = 'waiting' AND due <= clock_timestamp()
        AND coalesce(revived, queued) <= clock_timestamp() - %(give_up_after_s)s * interval '1 s'
    RETURNING id, alarm, route, attempts
), recorded AS (
    INSERT INTO hubwatch.notifications (alarm, route, attempt, outcome, error, message)
    SELECT alarm, route, attempts, 'given_up', %(error)s, id FROM stopped
)
SELECT id, alarm, route, attempts FROM stopped ORDER BY id;

-- other_routes: which messages of open alarms that nobody has taken could not be delivered, and on which routes to try
-- A route that is being tried, or asked us to wait, has had its time; one that is only slow has not failed.
SELECT DISTINCT o.journal, o.alarm, other.route, j.action, a.type, a.priority, a.exercise IS NOT NULL AS made_up
FROM hubwatch.alarms a
JOIN hubwatch.alarm_telling t ON t.alarm = a.id
JOIN hubwatch.notification_outbox o ON o.alarm = a.id
JOIN hubwatch.alarm_journal j ON j.id = o.journal
CROSS JOIN unnest(%(routes)s::text[]) other (route)
WHERE a.closed IS NULL AND a.state IN ('unacknowledged', 'returned')
    AND t.untold_since NOT BETWEEN clock_timestamp() - %(after_s)s * interval '1 s' AND clock_timestamp()
    AND o.journal = (
        SELECT max(n.journal) FROM hubwatch.notification_outbox n
        WHERE n.alarm = a.id AND n.state NOT IN ('delivered', 'withdrawn'))
    AND o.queued NOT BETWEEN clock_timestamp() - %(after_s)s * interval '1 s' AND clock_timestamp()
    AND (o.state <> 'waiting' OR o.attempts > 0 OR o.due > clock_timestamp() OR o.route <> ALL (%(known)s::text[]))
    -- That a route fails is no news for that route.
    AND (a.type <> %(route_failed)s OR split_part(other.route, '/', 1) IS DISTINCT FROM a.subject)
    AND NOT EXISTS (
        SELECT FROM hubwatch.notification_outbox n WHERE n.journal = o.journal AND n.route = other.route)
ORDER BY made_up, a.priority, o.journal, other.route LIMIT %(most)s;

-- revive: take up again what was given up of open alarms that nobody has taken and nobody was told of
UPDATE hubwatch.notification_outbox o
SET state = 'waiting', revived = clock_timestamp(), due = clock_timestamp(), finished = NULL
FROM hubwatch.alarms a JOIN hubwatch.alarm_telling t ON t.alarm = a.id
WHERE a.closed IS NULL AND a.state IN ('unacknowledged', 'returned') AND t.given_up
    AND o.alarm = a.id AND o.route = ANY (%(routes)s::text[]) AND o.state IN ('refused', 'given_up')
    AND o.finished NOT BETWEEN clock_timestamp() - %(after_s)s * interval '1 s' AND clock_timestamp()
    AND o.journal = (
        SELECT max(n.journal) FROM hubwatch.notification_outbox n
        WHERE n.alarm = a.id AND n.state NOT IN ('delivered', 'withdrawn'))
RETURNING o.id;

-- queue_again: put a message into the outbox of another route, unless it is there; what an escalation told stays its own
INSERT INTO hubwatch.notification_outbox (id, journal, alarm, route, escalation)
VALUES (%(id)s, %(journal)s, %(alarm)s, %(route)s,
    (SELECT max(o.escalation) FROM hubwatch.notification_outbox o WHERE o.journal = %(journal)s)) ON CONFLICT (journal, route) DO NOTHING;

-- untold: open alarms that nobody has taken and nobody was told of for so long
SELECT count(*) AS alarms, min(untold_since) AS since,
    (array_agg(alarm ORDER BY priority, untold_since))[1] AS most_urgent, min(priority) AS priority
FROM hubwatch.alarm_telling
WHERE exercise IS NULL AND state IN ('unacknowledged', 'returned')
    AND untold_since NOT BETWEEN clock_timestamp() - %(after_s)s * interval '1 s' AND clock_timestamp();

-- telling: whether people were told of some alarms
SELECT alarm, told, untold_since, tries, given_up, routes FROM hubwatch.alarm_telling
WHERE alarm = ANY (%(alarms)s::bigint[]);

-- record_given_up: record that one message is not tried any more
INSERT INTO hubwatch.notifications (alarm, route, attempt, outcome, error, message)
VALUES (%(alarm)s, %(route)s, %(attempt)s, 'given_up', %(error)s, %(message)s);

-- waiting: messages that wait, by route
SELECT route, count(*) AS messages FROM hubwatch.notification_outbox WHERE state = 'waiting' GROUP BY route;

-- of_alarm: every attempt to tell people of one alarm
SELECT n.at, n.route, n.attempt, n.outcome, n.status, n.error, n.message, n.carried_by, j.action AS event
FROM hubwatch.notifications n
LEFT JOIN hubwatch.notification_outbox o ON o.id = n.message
LEFT JOIN hubwatch.alarm_journal j ON j.id = o.journal
WHERE n.alarm = %(alarm)s ORDER BY n.id;

-- addressed: a message to a person, and whether its link was used
SELECT o.alarm, split_part(o.route, '/', 2) AS person, o.answered IS NOT NULL AS answered
FROM hubwatch.notification_outbox o WHERE o.id = %(message)s AND o.route LIKE '%%/%%';

-- named: the alarms that an attempt of a message told of, its own first, and whether each has become more urgent since
SELECT o.alarm, EXISTS (SELECT FROM hubwatch.alarm_journal j
    WHERE j.alarm = o.alarm AND j.id > o.journal AND j.action = 'raised') AS surpassed
FROM hubwatch.notification_outbox o
WHERE o.id = %(message)s OR o.id IN (SELECT n.message FROM hubwatch.notifications n
    WHERE n.carried_by = %(message)s AND n.carried_attempt = %(attempt)s)
ORDER BY o.id <> %(message)s, o.alarm;

-- answer: note that the link of a message is used up
UPDATE hubwatch.notification_outbox SET answered = clock_timestamp() WHERE id = %(message)s AND answered IS NULL
RETURNING id;
