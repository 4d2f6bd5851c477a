-- Whose a sensor is, where a person has said so. Without a row it is that of the agents that list it.
CREATE TABLE hubwatch.sensor_grant (
    hub text NOT NULL,
    sensor text NOT NULL,
    agent text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    by text NOT NULL CHECK (by <> ''),
    PRIMARY KEY (hub, sensor, agent)
);

-- What an agent listed that is another's: taken up when a person gives it the sensor.
CREATE TABLE hubwatch.sensor_claim (
    hub text NOT NULL,
    sensor text NOT NULL,
    agent text NOT NULL,
    at timestamptz NOT NULL,
    -- As it stands in the birth.
    said text NOT NULL,
    PRIMARY KEY (hub, sensor, agent)
);

ALTER TABLE hubwatch.device_journal DROP CONSTRAINT device_journal_action_check;
ALTER TABLE hubwatch.device_journal ADD CONSTRAINT device_journal_action_check
    CHECK (action IN ('agent forgotten', 'sensor forgotten', 'replaced', 'moved', 'renamed', 'given', 'shared'));

-- Until when an agent may say something of a sensor by its name: NULL where it may now, '-infinity' where it never might.
-- An agent may speak of itself, and of a sensor that is nobody's.
CREATE FUNCTION hubwatch.may_say_until(hub_ text, agent_ text, name_ text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $f$
DECLARE
    known hubwatch.sensors;
    present text;
    until_ timestamptz;
BEGIN
    IF agent_ = name_ THEN
        RETURN NULL;
    END IF;
    SELECT * INTO known FROM hubwatch.sensors s WHERE s.hub = hub_ AND (s.sensor = name_ OR s.id = (
        SELECT f.sensor_id FROM hubwatch.sensor_former f WHERE f.hub = hub_ AND f.name = name_ AND f.until IS NULL LIMIT 1))
    ORDER BY s.sensor = name_ DESC LIMIT 1;
    present := coalesce(known.sensor, name_);
    IF EXISTS (SELECT FROM hubwatch.sensor_grant g WHERE (g.hub, g.sensor) = (hub_, present)) THEN
        IF EXISTS (SELECT FROM hubwatch.sensor_grant g WHERE (g.hub, g.sensor, g.agent) = (hub_, present, agent_)) THEN
            RETURN NULL;
        END IF;
    ELSIF EXISTS (SELECT FROM hubwatch.listing l WHERE (l.hub, l.sensor, l.agent) = (hub_, present, agent_))
        OR NOT EXISTS (SELECT FROM hubwatch.listing l WHERE (l.hub, l.sensor) = (hub_, present)) THEN
        RETURN NULL;
    END IF;
    -- What it sent while the sensor was its own may still come.
    SELECT max(o.until) INTO until_ FROM (
        SELECT agent, rivals, coalesce(lead(since) OVER (ORDER BY since),
            (SELECT min(at) FROM hubwatch.sensor_grant g WHERE (g.hub, g.sensor) = (hub_, present)),
            (SELECT min(since) FROM hubwatch.listing l WHERE (l.hub, l.sensor) = (hub_, present))) AS until
        FROM hubwatch.sensor_owner WHERE sensor_id = known.id) o
    WHERE agent_ = o.agent OR agent_ = ANY (o.rivals);
    RETURN coalesce(until_, '-infinity');
END $f$;
