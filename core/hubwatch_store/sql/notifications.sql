-- take_unrouted: take the journal entries that no route has been asked about
WITH taken AS (
    DELETE FROM hubwatch.alarm_unrouted
    WHERE journal IN (SELECT journal FROM hubwatch.alarm_unrouted ORDER BY journal LIMIT %(most)s
                      FOR UPDATE SKIP LOCKED)
    RETURNING journal
)
SELECT j.id AS journal, j.action, a.id AS alarm, a.type, a.priority
FROM taken JOIN hubwatch.alarm_journal j ON j.id = taken.journal JOIN hubwatch.alarms a ON a.id = j.alarm
ORDER BY j.id;

-- queue: put a message into the outbox
INSERT INTO hubwatch.notification_outbox (id, journal, alarm, route)
VALUES (%(id)s, %(journal)s, %(alarm)s, %(route)s);

-- claim: take the most urgent due message of a route for one attempt, so that nobody else sends it meanwhile
UPDATE hubwatch.notification_outbox SET attempts = attempts + 1, due = clock_timestamp() + %(lease_s)s * interval '1 s'
WHERE id = (
    SELECT o.id FROM hubwatch.notification_outbox o JOIN hubwatch.alarms a ON a.id = o.alarm
    WHERE o.route = %(route)s AND o.state = 'waiting' AND o.due <= clock_timestamp()
        AND o.queued > clock_timestamp() - %(give_up_after_s)s * interval '1 s'
    ORDER BY a.priority, o.queued, o.journal LIMIT 1 FOR UPDATE OF o SKIP LOCKED
)
RETURNING id, journal, alarm, attempts, extract(epoch FROM clock_timestamp() - queued)::float8 AS age_s;

-- entry: the journal entry a message tells of
SELECT at, action, by, from_state, to_state, note, detection FROM hubwatch.alarm_journal WHERE id = %(journal)s;

-- begin_attempt: record that an attempt is under way
INSERT INTO hubwatch.notifications (alarm, route, attempt, outcome, message)
VALUES (%(alarm)s, %(route)s, %(attempt)s, 'sending', %(message)s);

-- end_attempt: record what came of an attempt
UPDATE hubwatch.notifications SET outcome = %(outcome)s, status = %(status)s, error = %(error)s
WHERE message = %(message)s AND attempt = %(attempt)s AND outcome = 'sending';

-- settle: say that a message needs no further attempt
UPDATE hubwatch.notification_outbox SET state = %(state)s, finished = clock_timestamp()
WHERE id = %(message)s AND state = 'waiting';

-- postpone: say when a message is to be tried again
UPDATE hubwatch.notification_outbox SET due = clock_timestamp() + %(pause_s)s * interval '1 s'
WHERE id = %(message)s AND state = 'waiting';

-- hold_route: try nothing on a route for a while, because the other side asked so
UPDATE hubwatch.notification_outbox SET due = greatest(due, clock_timestamp() + %(pause_s)s * interval '1 s')
WHERE route = %(route)s AND state = 'waiting';

-- give_up: stop trying what is too old, on whatever route; each is recorded as given up
WITH stopped AS (
    UPDATE hubwatch.notification_outbox SET state = 'given_up', finished = clock_timestamp()
    WHERE state = 'waiting' AND due <= clock_timestamp()
        AND queued <= clock_timestamp() - %(give_up_after_s)s * interval '1 s'
    RETURNING id, alarm, route, attempts
), recorded AS (
    INSERT INTO hubwatch.notifications (alarm, route, attempt, outcome, error, message)
    SELECT alarm, route, attempts, 'given_up', %(error)s, id FROM stopped
)
SELECT id, alarm, route, attempts FROM stopped ORDER BY id;

-- record_given_up: record that one message is not tried any more
INSERT INTO hubwatch.notifications (alarm, route, attempt, outcome, error, message)
VALUES (%(alarm)s, %(route)s, %(attempt)s, 'given_up', %(error)s, %(message)s);

-- waiting: messages that wait, by route
SELECT route, count(*) AS messages FROM hubwatch.notification_outbox WHERE state = 'waiting' GROUP BY route;

-- of_alarm: every attempt to tell people of one alarm
SELECT n.at, n.route, n.attempt, n.outcome, n.status, n.error, n.message, j.action AS event
FROM hubwatch.notifications n
LEFT JOIN hubwatch.notification_outbox o ON o.id = n.message
LEFT JOIN hubwatch.alarm_journal j ON j.id = o.journal
WHERE n.alarm = %(alarm)s ORDER BY n.id;
