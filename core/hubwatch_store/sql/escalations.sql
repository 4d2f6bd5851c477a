-- begin: an alarm is on an escalation from now on, and its first steps are told; from the first step if anew
INSERT INTO hubwatch.alarm_escalation (alarm, escalation, began, told, last_told, due)
VALUES (%(alarm)s, %(escalation)s, %(began)s, %(told)s, %(began)s, %(due)s)
ON CONFLICT (alarm, escalation) DO UPDATE SET began = excluded.began, told = excluded.told,
    last_told = excluded.last_told, due = excluded.due
WHERE %(anew)s;

-- end: an alarm is on no escalation any more
DELETE FROM hubwatch.alarm_escalation WHERE alarm = %(alarm)s;

-- leave: an alarm is no longer on one escalation
DELETE FROM hubwatch.alarm_escalation WHERE alarm = %(alarm)s AND escalation = %(escalation)s;

-- withdraw: what escalations told of an alarm and nobody has received is told nobody any more
UPDATE hubwatch.notification_outbox SET state = 'withdrawn', finished = clock_timestamp()
WHERE alarm = %(alarm)s AND escalation IS NOT NULL AND state = 'waiting';

-- due: the escalations of which a step is due, the most urgent alarm first
-- What was told in the future was so before the clock was set back: for how long it waits is not known.
SELECT e.alarm, e.escalation, e.began, e.told, a.hub, a.zone, a.type, a.subject, a.priority, a.state
FROM hubwatch.alarm_escalation e JOIN hubwatch.alarms a ON a.id = e.alarm
WHERE e.due <= %(now)s OR e.last_told > %(now)s + interval '1 minute'
ORDER BY a.exercise IS NOT NULL, a.priority, e.due, e.alarm, e.escalation LIMIT %(most)s;

-- step: a step is told
UPDATE hubwatch.alarm_escalation SET told = %(told)s, last_told = %(now)s, due = %(due)s
WHERE alarm = %(alarm)s AND escalation = %(escalation)s;

-- write_step: add to an alarm's journal that a step is told; the routes have to be asked about it
WITH written AS (
    INSERT INTO hubwatch.alarm_journal (alarm, at, action, by, from_state, to_state, note)
    VALUES (%(alarm)s, %(now)s, 'escalated', 'system', %(state)s, %(state)s, %(note)s)
    RETURNING id
), unrouted AS (
    INSERT INTO hubwatch.alarm_unrouted (journal) SELECT id FROM written
)
SELECT id AS journal FROM written;

-- queue: put a message into the outbox, unless one about the same is on that way already
INSERT INTO hubwatch.notification_outbox (id, journal, alarm, route, escalation)
VALUES (%(id)s, %(journal)s, %(alarm)s, %(route)s, %(escalation)s) ON CONFLICT (journal, route) DO NOTHING;
