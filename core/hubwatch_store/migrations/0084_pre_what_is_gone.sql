-- Who lists what, whose word counts where two list the same, and what was taken away for good.

-- Since when an agent counts as taken away, and the time of its last birth then: a copy of that birth that a broker kept
-- does not bring it back. A later birth does; the agent is then simply new.
ALTER TABLE hubwatch.agents ADD COLUMN gone timestamptz, ADD COLUMN gone_birth timestamptz;

-- Since when no agent lists a sensor; NULL while one does, and for a sensor that nobody has announced yet.
-- `placed`: the zone an operator says it is in, until its agent says another one than before.
ALTER TABLE hubwatch.sensors ADD COLUMN gone timestamptz, ADD COLUMN placed text;

-- The inventories as the agents said them last; `since` is when the agent began to list the sensor.
CREATE TABLE hubwatch.listing (
    hub text NOT NULL,
    sensor text NOT NULL,
    agent text NOT NULL,
    since timestamptz NOT NULL,
    kind text NOT NULL,
    zone text NOT NULL,
    profile text NOT NULL,
    max_age_s double precision,
    channels text[] NOT NULL,
    PRIMARY KEY (hub, sensor, agent)
);
CREATE INDEX listing_agent ON hubwatch.listing (hub, agent);
INSERT INTO hubwatch.listing (hub, sensor, agent, since, kind, zone, profile, max_age_s, channels)
SELECT s.hub, s.sensor, s.agent, coalesce(a.born, clock_timestamp()), s.kind, s.zone, coalesce(s.profile, ''), s.max_age_s,
    ARRAY(SELECT c.channel FROM hubwatch.channels c WHERE c.sensor_id = s.id ORDER BY 1)
FROM hubwatch.sensors s JOIN hubwatch.agents a USING (hub, agent)
WHERE s.kind IS NOT NULL AND s.zone IS NOT NULL;

-- From when on who has a sensor, and which agents' word does not count: they list a channel that another has.
CREATE TABLE hubwatch.sensor_owner (
    sensor_id integer NOT NULL REFERENCES hubwatch.sensors (id),
    since timestamptz NOT NULL,
    agent text NOT NULL,
    rivals text[] NOT NULL,
    PRIMARY KEY (sensor_id, since)
);
INSERT INTO hubwatch.sensor_owner (sensor_id, since, agent, rivals)
SELECT s.id, '-infinity', s.agent, '{}' FROM hubwatch.sensors s JOIN hubwatch.listing l USING (hub, sensor, agent);

-- What was done to agents and sensors, by whom and why; detectors read it to forget or begin anew. Never changed.
CREATE TABLE hubwatch.device_journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    action text NOT NULL
        CHECK (action IN ('agent forgotten', 'sensor forgotten', 'replaced', 'moved', 'renamed')),
    hub text NOT NULL,
    agent text,
    sensor text,
    -- The new zone or name; nothing for the other actions.
    target text,
    -- The time (by its clock) of the last birth of an agent that was forgotten.
    birth timestamptz,
    by text NOT NULL CHECK (by <> ''),
    reason text NOT NULL CHECK (reason <> '')
);
CREATE INDEX device_journal_hub ON hubwatch.device_journal (hub, id);
CREATE TRIGGER device_journal_immutable BEFORE UPDATE OR DELETE ON hubwatch.device_journal
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();
CREATE TRIGGER device_journal_no_truncate BEFORE TRUNCATE ON hubwatch.device_journal
    FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.refuse_change();

-- Why a detection ended, where it is not that its condition was over.
ALTER TABLE hubwatch.detection_ends ADD COLUMN why text;
-- What has no end in its own row: asked for when detectors start.
CREATE INDEX detection_unended ON hubwatch.detection (hub) WHERE "end" IS NULL;
