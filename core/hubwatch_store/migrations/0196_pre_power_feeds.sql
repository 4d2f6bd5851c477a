-- What supplies feed, as the site says it: by the wiring, not by place.
CREATE TABLE hubwatch.power_feeds (
    hub text NOT NULL,
    -- A sensor of kind power.
    supply text NOT NULL,
    what text NOT NULL CHECK (what IN ('sensor', 'agent', 'zone')),
    -- The sensor, other supplies among them, the agent, or the zone of which it feeds every sensor.
    fed text NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (hub, supply, what, fed)
);
CREATE INDEX power_feeds_fed ON hubwatch.power_feeds (hub, fed, what);

-- Which open alarm is the cause of another one: a sensor is silent because its agent is, or because what feeds it, itself or
-- through other supplies, has lost its power; a supply of which the site says nothing is taken to feed its zone. Of several
-- causes the one that most others follow from counts. Only what a loss of power or of an agent explains is a symptom (the types
-- are those of hubwatch_alarms.correlation): what may be an attack stands for itself, also in a power cut. What is of priority 1
-- is never the symptom of something else, and an exercise is neither cause nor symptom of what is real.
CREATE OR REPLACE VIEW hubwatch.alarm_causes AS
SELECT a.hub, a.id AS alarm, c.id AS cause
FROM hubwatch.alarms a
LEFT JOIN hubwatch.sensors s ON s.hub = a.hub AND s.sensor = a.sensor
CROSS JOIN LATERAL (
    WITH RECURSIVE above (supply, steps) AS (
        SELECT f.supply, 1 FROM hubwatch.power_feeds f
        WHERE f.hub = a.hub AND (f.what, f.fed) IN
            (('sensor', a.sensor), ('agent', coalesce(s.agent, a.sensor)), ('zone', coalesce(a.zone, s.zone)))
        UNION
        SELECT f.supply, b.steps + 1 FROM above b
        JOIN hubwatch.power_feeds f ON f.hub = a.hub AND f.what = 'sensor' AND f.fed = b.supply
        -- The file of a site has no more in a row.
        WHERE b.steps <= 8
    )
    SELECT c.id FROM (
        SELECT o.id, b.steps FROM above b JOIN hubwatch.alarms o
            ON o.hub = a.hub AND o.type = 'power.lost' AND o.sensor = b.supply
        WHERE o.closed IS NULL AND o.active > 0 AND o.exercise IS NOT DISTINCT FROM a.exercise
        UNION ALL
        SELECT o.id, 0 FROM hubwatch.alarms o
        WHERE a.type LIKE 'integrity.%' AND o.hub = a.hub AND o.type = 'power.lost' AND o.zone = coalesce(a.zone, s.zone)
            AND o.closed IS NULL AND o.active > 0 AND o.exercise IS NOT DISTINCT FROM a.exercise
            AND NOT EXISTS (SELECT FROM hubwatch.power_feeds f WHERE f.hub = o.hub AND f.supply = o.sensor)
        UNION ALL
        SELECT o.id, -1 FROM hubwatch.alarms o
        WHERE a.type LIKE 'integrity.%' AND o.hub = a.hub AND o.type = 'integrity.agent_offline' AND o.sensor = s.agent
            AND o.closed IS NULL AND o.active > 0 AND o.exercise IS NOT DISTINCT FROM a.exercise
    ) c WHERE c.id <> a.id ORDER BY c.steps DESC, c.id LIMIT 1
) c
WHERE a.closed IS NULL AND a.priority > 1
    AND a.type IN ('integrity.sensor_silent', 'integrity.agent_offline', 'integrity.gap', 'power.lost', 'power.low');
