-- What names a person can be taken out of what was found, and each time it is there is a record that says so.

CREATE TABLE hubwatch.privacy_erasures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    by text NOT NULL CHECK (by <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    -- SHA-256 of the subject: the record must not name whom it forgot, and tells after a restore whom to forget again.
    -- NULL where it was retention that took out all that was old.
    digest bytea,
    -- How many rows by table; set once, at the end.
    counts jsonb
);
CREATE FUNCTION hubwatch.refuse_change_of_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.counts IS NULL AND to_jsonb(NEW) - 'counts' = to_jsonb(OLD) - 'counts' THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a row of hubwatch.privacy_erasures is never changed' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER privacy_erasures_immutable BEFORE UPDATE OR DELETE ON hubwatch.privacy_erasures
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change_of_erasure();

-- A detection is never changed, but for whom it names, and that only under a record that is being made.
CREATE FUNCTION hubwatch.refuse_change_of_detection() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mended hubwatch.detection := NEW;
BEGIN
    mended.subject := OLD.subject;
    mended.why := OLD.why;
    mended.evidence := OLD.evidence;
    IF mended IS NOT DISTINCT FROM OLD AND NEW.subject ~ '^erased:[0-9]+$' AND EXISTS (
        SELECT FROM hubwatch.privacy_erasures e WHERE e.id = substr(NEW.subject, 8)::bigint AND e.counts IS NULL
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a row of hubwatch.detection is never changed' USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER detection_immutable ON hubwatch.detection;
CREATE TRIGGER detection_immutable BEFORE UPDATE ON hubwatch.detection
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change_of_detection();

CREATE INDEX detection_subject ON hubwatch.detection (subject, start) WHERE subject IS NOT NULL;
CREATE INDEX event_subject ON hubwatch.event (subject, time) WHERE subject IS NOT NULL;

-- How long detections and alarms name persons; NULL is for ever.
CREATE TABLE hubwatch.retention_person (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    days integer CHECK (days > 0)
);
INSERT INTO hubwatch.retention_person (days) VALUES (730);
