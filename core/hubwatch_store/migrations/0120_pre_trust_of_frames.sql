-- What was refused because it is not believed, not because it cannot be read; and what is told of it.
ALTER TABLE hubwatch.dead_letters
    -- NULL: it cannot be processed. Else forged, replayed, claimed, limit or unannounced.
    ADD COLUMN kind text;
CREATE INDEX dead_letters_agent_kind ON hubwatch.dead_letters (hub, agent, kind) WHERE kind IS NOT NULL;

-- What collectors have found wrong with what agents send, while it lasts: one row, and one detection, however often it
-- happens.
CREATE TABLE hubwatch.intake_finding (
    kind text NOT NULL,
    hub text NOT NULL,
    sensor text NOT NULL,
    subject text NOT NULL DEFAULT '',
    detection text NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    count bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (kind, hub, sensor, subject)
);

-- Counts a finding; makes it a detection when it is new. Of a hub that nobody knows nothing is told: anybody could make
-- as many as there are names.
CREATE FUNCTION hubwatch.tell_intake(kind_ text, hub_ text, sensor_ text, subject_ text, times bigint, id_ text,
    type_ text, priority_ smallint, why_ text, evidence_ jsonb) RETURNS boolean LANGUAGE plpgsql AS $f$
DECLARE
    moment timestamptz := clock_timestamp();
    told text;
BEGIN
    IF NOT EXISTS (SELECT FROM hubwatch.hubs WHERE hub = hub_) THEN
        RETURN false;
    END IF;
    INSERT INTO hubwatch.intake_finding AS f (kind, hub, sensor, subject, detection, first_seen, last_seen, count)
    VALUES (kind_, hub_, sensor_, subject_, id_, moment, moment, times)
    ON CONFLICT (kind, hub, sensor, subject) DO UPDATE
    SET count = f.count + excluded.count, last_seen = greatest(f.last_seen, excluded.last_seen)
    RETURNING detection INTO told;
    IF told <> id_ THEN
        RETURN false;
    END IF;
    INSERT INTO hubwatch.detection (id, type, hub, sensor, subject, start, detected, score, priority, detector, version,
        late, why, evidence)
    VALUES (id_, type_, hub_, sensor_, NULLIF(subject_, ''), moment, moment, 1, priority_, 'intake', 1, false, why_,
        evidence_);
    RETURN true;
END $f$;
