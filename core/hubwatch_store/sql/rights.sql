-- claimed: sensors of a birth that are other agents', with whose
SELECT n.sensor, coalesce(
    (SELECT min(g.agent) FROM hubwatch.sensor_grant g WHERE g.hub = %(hub)s AND g.sensor = n.sensor),
    (SELECT min(l.agent) FROM hubwatch.listing l WHERE l.hub = %(hub)s AND l.sensor = n.sensor))
FROM unnest(%(sensors)s::text[]) n (sensor)
WHERE hubwatch.may_say_until(%(hub)s, %(agent)s, n.sensor) IS NOT NULL ORDER BY 1;

-- forget_claims: an agent's claims are those of its newest birth
DELETE FROM hubwatch.sensor_claim WHERE hub = %s AND agent = %s;

-- claim: remembers what an agent listed that is another's
INSERT INTO hubwatch.sensor_claim (hub, agent, at, sensor, said)
SELECT %s, %s, TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond', n.sensor, n.said
FROM unnest(%s::text[], %s::text[]) AS n (sensor, said) ON CONFLICT DO NOTHING;

-- until: until when (µs) agents may say something of sensors: NULL where they may now, with whether that was announced
SELECT n.hub, n.agent, n.sensor, n.channel, may.until IS NULL,
    CASE WHEN may.until = '-infinity' THEN 0 ELSE (extract(epoch FROM may.until) * 1000000)::bigint END,
    n.agent = n.sensor OR EXISTS (
        SELECT FROM hubwatch.channels c JOIN hubwatch.sensors s ON s.id = c.sensor_id
        WHERE s.hub = n.hub AND c.kind IS NOT NULL AND (n.channel = '' OR c.name = n.channel)
            AND (s.sensor = n.sensor OR s.id IN (
                SELECT sensor_id FROM hubwatch.sensor_former f WHERE f.hub = n.hub AND f.name = n.sensor)))
    OR (n.channel = '' AND EXISTS (
        SELECT FROM hubwatch.sensors s WHERE s.hub = n.hub AND s.sensor = n.sensor AND s.kind IS NOT NULL))
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS n (hub, agent, sensor, channel)
CROSS JOIN LATERAL (SELECT hubwatch.may_say_until(n.hub, n.agent, n.sensor) AS until) may;

-- give: only this agent may list a sensor from now on
WITH gone AS (DELETE FROM hubwatch.sensor_grant WHERE hub = %(hub)s AND sensor = %(sensor)s AND agent <> %(agent)s)
INSERT INTO hubwatch.sensor_grant (hub, sensor, agent, by) VALUES (%(hub)s, %(sensor)s, %(agent)s, %(by)s)
ON CONFLICT (hub, sensor, agent) DO UPDATE SET at = clock_timestamp(), by = excluded.by;

-- share: another agent may list a sensor, too, beside those that do
INSERT INTO hubwatch.sensor_grant (hub, sensor, agent, by)
SELECT %(hub)s, %(sensor)s, agent, %(by)s FROM (
    SELECT agent FROM hubwatch.listing WHERE hub = %(hub)s AND sensor = %(sensor)s UNION SELECT %(agent)s) a
ON CONFLICT DO NOTHING;

-- take_away: nobody else lists a sensor that is given to an agent
DELETE FROM hubwatch.listing WHERE hub = %(hub)s AND sensor = %(sensor)s AND agent <> %(agent)s;

-- claimed_before: what an agent said of a sensor while it was another's
DELETE FROM hubwatch.sensor_claim WHERE hub = %(hub)s AND sensor = %(sensor)s AND agent = %(agent)s RETURNING said;

-- forget_sensor: nobody has a say in a sensor that was taken away
WITH claims AS (DELETE FROM hubwatch.sensor_claim WHERE hub = %(hub)s AND sensor = %(sensor)s)
DELETE FROM hubwatch.sensor_grant WHERE hub = %(hub)s AND sensor = %(sensor)s;

-- forget_agent: an agent that was taken away has no sensors
WITH claims AS (DELETE FROM hubwatch.sensor_claim WHERE hub = %(hub)s AND agent = %(agent)s)
DELETE FROM hubwatch.sensor_grant WHERE hub = %(hub)s AND agent = %(agent)s;

-- rename: what people said of a sensor goes on under its new name
UPDATE hubwatch.sensor_grant SET sensor = %(new)s WHERE hub = %(hub)s AND sensor = %(old)s;

-- other_units: channels that an agent is judged for and whose unit it says anew, with both units
SELECT n.sensor, n.channel, coalesce(c.unit, ''), n.unit
FROM unnest(%(sensors)s::text[], %(channels)s::text[], %(units)s::text[]) AS n (sensor, channel, unit)
JOIN hubwatch.sensors s ON s.hub = %(hub)s AND s.sensor = n.sensor AND s.agent = %(agent)s
JOIN hubwatch.channels c ON c.sensor_id = s.id AND c.channel = n.channel
WHERE c.kind IS NOT NULL AND c.unit IS DISTINCT FROM n.unit ORDER BY 1, 2;
