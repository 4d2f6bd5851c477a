-- Who is told next of an alarm while nobody acknowledges it.

-- One row for each escalation that an alarm is on; it goes when a person has the alarm or it closes. The step is told and
-- counted in one transaction, so whatever dies in between, it is told once.
CREATE TABLE hubwatch.alarm_escalation (
    alarm bigint NOT NULL REFERENCES hubwatch.alarms (id),
    escalation text NOT NULL,
    -- Since when nobody has the alarm.
    began timestamptz NOT NULL,
    -- How many steps were told.
    told integer NOT NULL,
    last_told timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When the next one is.
    due timestamptz NOT NULL,
    PRIMARY KEY (alarm, escalation)
);
CREATE INDEX alarm_escalation_due ON hubwatch.alarm_escalation (due);

ALTER TABLE hubwatch.notification_outbox
    -- The escalation that told it, where one did: such a message is withdrawn once a person has the alarm.
    ADD COLUMN escalation text,
    DROP CONSTRAINT notification_outbox_state_check,
    ADD CONSTRAINT notification_outbox_state_check
        CHECK (state IN ('waiting', 'delivered', 'refused', 'given_up', 'withdrawn'));

CREATE OR REPLACE VIEW hubwatch.alarm_telling AS
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
    FROM hubwatch.notification_outbox o
    WHERE o.alarm = a.id AND o.journal > coalesce(t.journal, 0) AND o.state <> 'withdrawn'
) u;
