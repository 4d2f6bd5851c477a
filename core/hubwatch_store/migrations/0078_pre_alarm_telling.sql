-- Whether people were told of an alarm. A later message tells how the alarm stands, so what counts is whether anything
-- was delivered since the oldest message that was not.
ALTER TABLE hubwatch.notification_outbox
    -- When a message that had been given up was taken up again, because its alarm is open and nobody knows of it.
    ADD COLUMN revived timestamptz;

CREATE INDEX notification_outbox_alarm ON hubwatch.notification_outbox (alarm, journal);

CREATE VIEW hubwatch.alarm_telling AS
SELECT a.id AS alarm, a.hub, a.zone, a.sensor, a.type, a.priority, a.state, t.told, u.untold_since,
    coalesce(u.tries, 0) AS tries, coalesce(u.given_up, false) AS given_up, u.routes
FROM hubwatch.alarms a
CROSS JOIN LATERAL (
    SELECT max(journal) FILTER (WHERE o.state = 'delivered') AS journal,
        max(finished) FILTER (WHERE o.state = 'delivered') AS told
    FROM hubwatch.notification_outbox o WHERE o.alarm = a.id
) t
CROSS JOIN LATERAL (
    SELECT min(queued) AS untold_since, max(attempts) AS tries, bool_and(o.state <> 'waiting') AS given_up,
        array_agg(DISTINCT o.route) AS routes
    FROM hubwatch.notification_outbox o WHERE o.alarm = a.id AND o.journal > coalesce(t.journal, 0)
) u;
