-- What the alarms component needs beyond the public columns: what is waiting to be handled, told and sent.

ALTER TABLE hubwatch.alarms
    -- Of its detections, how many have not ended.
    ADD COLUMN active integer NOT NULL DEFAULT 0 CHECK (active BETWEEN 0 AND detections),
    -- Score and lateness of the detection that `why` is from.
    ADD COLUMN score double precision NOT NULL DEFAULT 0,
    ADD COLUMN late boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT alarms_closed_is_normal CHECK ((state = 'normal') = (closed IS NOT NULL)),
    ADD CONSTRAINT alarms_shelved_has_end CHECK ((state = 'shelved') = (shelved_until IS NOT NULL));
CREATE INDEX alarms_shelved ON hubwatch.alarms (shelved_until) WHERE state = 'shelved';
CREATE INDEX alarms_incident ON hubwatch.alarms (incident);
CREATE INDEX incidents_open ON hubwatch.incidents (hub) WHERE closed IS NULL;

-- Findings that no alarm stands for yet. Filled in the transaction of the finding and emptied in the transaction of
-- the alarm, so each is handled exactly once whatever dies in between. (A cursor over `arrived` could not: a number
-- given earlier may be committed later.)
CREATE TABLE hubwatch.alarm_inbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    detection text NOT NULL,
    ended boolean NOT NULL
);
CREATE FUNCTION hubwatch.fill_alarm_inbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO hubwatch.alarm_inbox (detection, ended) SELECT id, TG_ARGV[0]::boolean FROM fresh ORDER BY arrived;
    RETURN NULL;
END $$;
CREATE TRIGGER detection_to_alarms AFTER INSERT ON hubwatch.detection
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.fill_alarm_inbox('false');
CREATE TRIGGER detection_end_to_alarms AFTER INSERT ON hubwatch.detection_ends
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.fill_alarm_inbox('true');
INSERT INTO hubwatch.alarm_inbox (detection, ended) SELECT id, false FROM hubwatch.detection ORDER BY arrived;
INSERT INTO hubwatch.alarm_inbox (detection, ended) SELECT id, true FROM hubwatch.detection_ends ORDER BY arrived;

-- Which alarm a detection went to, and whether its end has been counted; a detection is here once or never.
CREATE TABLE hubwatch.alarm_detection (
    detection text PRIMARY KEY,
    alarm bigint NOT NULL REFERENCES hubwatch.alarms (id),
    ended boolean NOT NULL
);
CREATE INDEX alarm_detection_alarm ON hubwatch.alarm_detection (alarm);

-- Journal entries that have not been matched with the routes yet; the journal itself is never changed.
CREATE TABLE hubwatch.alarm_unrouted (
    journal bigint PRIMARY KEY REFERENCES hubwatch.alarm_journal (id)
);

-- Messages to people. A row is made in the transaction of its journal entry and stays as the record of what came of it;
-- `notifications` has a row for each attempt.
CREATE TABLE hubwatch.notification_outbox (
    id text PRIMARY KEY,
    journal bigint NOT NULL REFERENCES hubwatch.alarm_journal (id),
    alarm bigint NOT NULL REFERENCES hubwatch.alarms (id),
    route text NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'refused', 'given_up')),
    queued timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Not to be tried before; while an attempt is under way, when to believe that whoever made it has died.
    due timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer NOT NULL DEFAULT 0,
    finished timestamptz,
    UNIQUE (journal, route)
);
CREATE INDEX notification_outbox_waiting ON hubwatch.notification_outbox (route, due) WHERE state = 'waiting';

ALTER TABLE hubwatch.notifications ADD COLUMN message text REFERENCES hubwatch.notification_outbox (id);
CREATE INDEX notifications_message ON hubwatch.notifications (message, attempt);
