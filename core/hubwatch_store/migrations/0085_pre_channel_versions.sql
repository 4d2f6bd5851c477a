-- A channel is what one number means: unit, device, place. When that changes, the channel goes on under its name with a
-- new id, and the former one keeps its readings and aggregates as NAME#1, NAME#2, … So nothing ever mixes the two.
-- What an agent says whose word does not count (rivals in hubwatch.sensor_owner) goes to NAME@AGENT.
ALTER TABLE hubwatch.channels
    ADD COLUMN name text GENERATED ALWAYS AS (split_part(split_part(channel, '#', 1), '@', 1)) STORED,
    ADD COLUMN source text GENERATED ALWAYS AS (NULLIF(split_part(split_part(channel, '#', 1), '@', 2), '')) STORED,
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    -- NULL: since ever, until now. By the clock of the agent whose frames say so.
    ADD COLUMN valid_from timestamptz,
    ADD COLUMN valid_to timestamptz,
    -- Since when no agent lists it, though it lists the sensor.
    ADD COLUMN gone timestamptz,
    ADD COLUMN sensor_kind text,
    ADD COLUMN zone text,
    ADD COLUMN profile text;
CREATE INDEX channels_sensor ON hubwatch.channels (sensor_id, name);
UPDATE hubwatch.channels c SET sensor_kind = s.kind, zone = s.zone, profile = coalesce(s.profile, '')
FROM hubwatch.sensors s WHERE s.id = c.sensor_id AND s.kind IS NOT NULL;

-- Names that sensors had before; what was said under one before `until` (NULL: until a birth uses it again) is theirs.
CREATE TABLE hubwatch.sensor_former (
    sensor_id integer NOT NULL REFERENCES hubwatch.sensors (id),
    hub text NOT NULL,
    name text NOT NULL,
    until timestamptz,
    PRIMARY KEY (hub, name, sensor_id)
);

-- Grows with every change of what names mean. Whoever remembers ids keeps it from growing until his transaction ends,
-- and asks again when it has grown.
CREATE SEQUENCE hubwatch.identity_generation;
CREATE FUNCTION hubwatch.identities_known() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $f$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('hubwatch.identities'));
    RETURN (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM hubwatch.identity_generation);
END $f$;
CREATE FUNCTION hubwatch.identities_lock() RETURNS void LANGUAGE sql VOLATILE AS
$f$ SELECT pg_advisory_xact_lock(hashtext('hubwatch.identities')) $f$;

-- Ends the present validity of a channel and begins a new one with the same meaning; gives its id.
CREATE FUNCTION hubwatch.renew_channel(old_id integer, at timestamptz) RETURNS integer LANGUAGE plpgsql AS $f$
DECLARE
    old hubwatch.channels;
    made integer;
    start timestamptz;
BEGIN
    SELECT * INTO STRICT old FROM hubwatch.channels WHERE id = old_id FOR UPDATE;
    start := greatest(at, old.valid_from + INTERVAL '1 microsecond');
    UPDATE hubwatch.channels SET channel = old.channel || '#' || old.version, valid_to = start WHERE id = old_id;
    INSERT INTO hubwatch.channels (sensor_id, hub, sensor, channel, unit, kind, period_us, resolution, version,
        valid_from, sensor_kind, zone, profile)
    VALUES (old.sensor_id, old.hub, old.sensor, old.channel, old.unit, old.kind, old.period_us, old.resolution,
        old.version + 1, start, old.sensor_kind, old.zone, old.profile)
    RETURNING id INTO made;
    RETURN made;
END $f$;

-- Takes what a birth of `at` says of one channel; a new meaning begins a new validity. True when one began.
CREATE FUNCTION hubwatch.say_channel(sensor_of integer, called text, said_unit text, said_kind text, said_period bigint,
    said_resolution double precision, said_sensor_kind text, said_zone text, said_profile text, at timestamptz)
RETURNS boolean LANGUAGE plpgsql AS $f$
DECLARE
    known hubwatch.channels;
    present integer;
    renewed boolean := false;
BEGIN
    SELECT * INTO known FROM hubwatch.channels WHERE sensor_id = sensor_of AND channel = called FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO hubwatch.channels (sensor_id, hub, sensor, channel, unit, kind, period_us, resolution, sensor_kind,
            zone, profile)
        SELECT s.id, s.hub, s.sensor, called, said_unit, said_kind, said_period, said_resolution, said_sensor_kind,
            said_zone, said_profile
        FROM hubwatch.sensors s WHERE s.id = sensor_of;
        RETURN false;
    END IF;
    present := known.id;
    -- Nothing was known of a channel that sent before it was announced.
    IF known.kind IS NOT NULL AND (known.unit, known.kind, known.sensor_kind, known.zone, known.profile)
        IS DISTINCT FROM (said_unit, said_kind, coalesce(said_sensor_kind, known.sensor_kind),
            coalesce(said_zone, known.zone), coalesce(said_profile, known.profile))
    THEN
        present := hubwatch.renew_channel(known.id, at);
        renewed := true;
    END IF;
    UPDATE hubwatch.channels
    SET unit = said_unit, kind = said_kind, period_us = said_period, resolution = said_resolution,
        sensor_kind = coalesce(said_sensor_kind, sensor_kind), zone = coalesce(said_zone, zone),
        profile = coalesce(said_profile, profile)
    WHERE id = present AND (unit, kind, period_us, resolution, sensor_kind, zone, profile) IS DISTINCT FROM
        (said_unit, said_kind, said_period, said_resolution, coalesce(said_sensor_kind, sensor_kind),
            coalesce(said_zone, zone), coalesce(said_profile, profile));
    RETURN renewed;
END $f$;

-- Says whose word about a sensor counts at `at`. Agents may share a sensor, each with channels of its own, as a door's
-- contact and its reader. Of those that list the same channel one counts: who has it keeps it until it no longer lists
-- it, is taken away, or is offline while another that lists it is there; then it goes to who listed it first.
-- True when ids of names have changed.
CREATE FUNCTION hubwatch.settle_sensor(sensor_of integer, at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $f$
DECLARE
    known hubwatch.sensors;
    before hubwatch.sensor_owner;
    each record;
    best hubwatch.listing;
    taken text[] := '{}';
    lost text[] := '{}';
    statement hubwatch.channels;
BEGIN
    SELECT * INTO STRICT known FROM hubwatch.sensors WHERE id = sensor_of FOR UPDATE;
    SELECT * INTO before FROM hubwatch.sensor_owner WHERE sensor_id = sensor_of ORDER BY since DESC LIMIT 1;
    FOR each IN
        SELECT l AS said FROM hubwatch.listing l JOIN hubwatch.agents a USING (hub, agent)
        WHERE l.hub = known.hub AND l.sensor = known.sensor AND a.gone IS NULL
        ORDER BY a.state = 'offline', l.agent = ANY (before.rivals), l.agent IS DISTINCT FROM before.agent, l.since,
            l.agent
    LOOP
        IF (each.said).channels && taken THEN
            lost := lost || (each.said).agent;
        ELSE
            taken := taken || (each.said).channels;
            best := coalesce(best, each.said);
        END IF;
    END LOOP;
    IF best IS NULL THEN
        UPDATE hubwatch.sensors SET gone = clock_timestamp() WHERE id = sensor_of AND gone IS NULL;
        RETURN false;
    END IF;
    UPDATE hubwatch.sensors
    SET agent = best.agent, kind = best.kind, zone = coalesce(placed, best.zone), profile = best.profile,
        max_age_s = best.max_age_s, gone = NULL
    WHERE id = sensor_of AND (agent, kind, zone, profile, max_age_s, gone) IS DISTINCT FROM
        (best.agent, best.kind, coalesce(placed, best.zone), best.profile, best.max_age_s, NULL::timestamptz);
    IF (before.agent, before.rivals) = (best.agent, lost) THEN
        RETURN false;
    END IF;
    INSERT INTO hubwatch.sensor_owner (sensor_id, since, agent, rivals) VALUES (sensor_of,
        CASE WHEN before.since IS NULL THEN '-infinity' ELSE greatest(at, before.since + INTERVAL '1 microsecond') END,
        best.agent, lost);
    -- What agents said of their channels while their word did not count yet, they have said.
    FOR statement IN SELECT c.* FROM hubwatch.channels c
        WHERE c.sensor_id = sensor_of AND c.source = ANY (before.rivals) AND c.source <> ALL (lost)
            AND c.valid_to IS NULL AND c.kind IS NOT NULL
            AND EXISTS (SELECT FROM hubwatch.listing l WHERE l.hub = known.hub AND l.sensor = known.sensor
                        AND l.agent = c.source AND c.name = ANY (l.channels))
    LOOP
        PERFORM hubwatch.say_channel(sensor_of, statement.name, statement.unit, statement.kind, statement.period_us,
            statement.resolution, statement.sensor_kind, coalesce(known.placed, statement.zone), statement.profile, at);
    END LOOP;
    -- Nobody can have remembered anything of a sensor that has no channel yet.
    RETURN before.since IS NOT NULL OR EXISTS (SELECT FROM hubwatch.channels WHERE sensor_id = sensor_of);
END $f$;

-- What may not be deleted now, whatever the rules say. A sensor that was renamed keeps what was held under its old name.
CREATE OR REPLACE VIEW hubwatch.kept_ranges AS
WITH named AS (
    SELECT id, hub, sensor FROM hubwatch.sensors
    UNION SELECT sensor_id, hub, name FROM hubwatch.sensor_former
)
SELECT s.id AS sensor_id, h.held_from AS kept_from, h.held_to AS kept_to, 'hold ' || h.id AS why
FROM hubwatch.legal_holds h
JOIN named s ON s.hub = h.hub AND (h.sensor IS NULL OR s.sensor = h.sensor)
WHERE h.released IS NULL
UNION ALL
SELECT s.id, d.start - e.before,
    -- A condition that has not ended is evidence in the making.
    coalesce(d."end" + e.after, '9999-12-30 00:00+00'), 'detection ' || d.id
FROM hubwatch.detections d
JOIN named s ON s.hub = d.hub AND s.sensor = d.sensor
CROSS JOIN hubwatch.retention_evidence e
WHERE e.days IS NULL OR d.start > clock_timestamp() - e.days * INTERVAL '1 day';
