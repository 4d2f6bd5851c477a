-- What detectors found and what people do about it.

CREATE TABLE hubwatch.detection (
    id text PRIMARY KEY,
    type text NOT NULL,
    hub text NOT NULL,
    sensor text NOT NULL,
    subject text,
    start timestamptz NOT NULL,
    "end" timestamptz,
    detected timestamptz NOT NULL,
    score double precision NOT NULL,
    priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 4),
    detector text NOT NULL,
    version integer NOT NULL,
    late boolean NOT NULL,
    why text NOT NULL,
    evidence jsonb NOT NULL DEFAULT '{}',
    -- Order of arrival, so that a reader can ask for what is new to it.
    arrived bigint GENERATED ALWAYS AS IDENTITY UNIQUE
);
CREATE INDEX detection_hub_start ON hubwatch.detection (hub, start DESC);
CREATE INDEX detection_sensor_start ON hubwatch.detection (hub, sensor, start DESC);

CREATE TABLE hubwatch.detection_ends (
    id text PRIMARY KEY,
    "end" timestamptz NOT NULL,
    detected timestamptz NOT NULL,
    arrived bigint GENERATED ALWAYS AS IDENTITY UNIQUE
);

CREATE FUNCTION hubwatch.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of hubwatch.% is never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER detection_immutable BEFORE UPDATE ON hubwatch.detection
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();

CREATE VIEW hubwatch.detections AS
SELECT d.id, d.type, d.hub, d.sensor, d.subject, d.start, coalesce(d."end", e."end") AS "end", d.detected, d.score,
    d.priority, d.detector, d.version, d.late, d.why, d.evidence
FROM hubwatch.detection d LEFT JOIN hubwatch.detection_ends e ON e.id = d.id;

CREATE FUNCTION hubwatch.notify_detections() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('hubwatch_detections', hub) FROM (SELECT DISTINCT hub FROM fresh) h;
    RETURN NULL;
END $$;
CREATE TRIGGER detection_notify AFTER INSERT ON hubwatch.detection
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.notify_detections();

CREATE FUNCTION hubwatch.notify_detection_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('hubwatch_detections', hub)
    FROM (SELECT DISTINCT d.hub FROM fresh f JOIN hubwatch.detection d ON d.id = f.id) h;
    RETURN NULL;
END $$;
CREATE TRIGGER detection_end_notify AFTER INSERT ON hubwatch.detection_ends
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.notify_detection_ends();

CREATE TABLE hubwatch.detector_state (
    hub text NOT NULL,
    detector text NOT NULL,
    sensor text NOT NULL,
    lane text NOT NULL DEFAULT '',
    version integer NOT NULL,
    state bytea NOT NULL,
    saved timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (hub, detector, sensor, lane)
) WITH (fillfactor = 70);

CREATE TABLE hubwatch.incidents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub text NOT NULL,
    opened timestamptz NOT NULL,
    closed timestamptz,
    title text NOT NULL,
    alarms integer NOT NULL DEFAULT 0
);

CREATE TABLE hubwatch.alarms (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub text NOT NULL,
    zone text,
    sensor text NOT NULL,
    type text NOT NULL,
    subject text,
    priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 4),
    state text NOT NULL CHECK (state IN ('unacknowledged', 'acknowledged', 'returned', 'normal', 'shelved')),
    opened timestamptz NOT NULL,
    last_active timestamptz NOT NULL,
    returned timestamptz,
    acknowledged timestamptz,
    acknowledged_by text,
    closed timestamptz,
    shelved_until timestamptz,
    detections integer NOT NULL DEFAULT 0,
    why text NOT NULL,
    incident bigint REFERENCES hubwatch.incidents (id)
);
CREATE UNIQUE INDEX alarms_one_open ON hubwatch.alarms (hub, sensor, type, subject) NULLS NOT DISTINCT
    WHERE closed IS NULL;
CREATE INDEX alarms_hub_opened ON hubwatch.alarms (hub, opened DESC);

CREATE TABLE hubwatch.alarm_journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm bigint NOT NULL REFERENCES hubwatch.alarms (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    action text NOT NULL,
    by text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    note text,
    detection text
);
CREATE INDEX alarm_journal_alarm ON hubwatch.alarm_journal (alarm, id);
CREATE INDEX alarm_journal_detection ON hubwatch.alarm_journal (detection) WHERE detection IS NOT NULL;
CREATE TRIGGER alarm_journal_immutable BEFORE UPDATE OR DELETE ON hubwatch.alarm_journal
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();

CREATE TABLE hubwatch.notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm bigint NOT NULL REFERENCES hubwatch.alarms (id),
    route text NOT NULL,
    attempt integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome text NOT NULL,
    status integer,
    error text
);
CREATE INDEX notifications_alarm ON hubwatch.notifications (alarm, id);

CREATE FUNCTION hubwatch.notify_alarms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('hubwatch_alarms', hub) FROM (SELECT DISTINCT hub FROM fresh) h;
    RETURN NULL;
END $$;
CREATE TRIGGER alarms_notify_insert AFTER INSERT ON hubwatch.alarms
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.notify_alarms();
CREATE TRIGGER alarms_notify_update AFTER UPDATE ON hubwatch.alarms
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.notify_alarms();
