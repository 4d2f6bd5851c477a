-- make_epochs: remembers new lives of agents' sequences; an agent nobody announced is made known too
WITH named AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) AS n (hub, agent, epoch)
), hub AS (
    INSERT INTO hubwatch.hubs (hub) SELECT DISTINCT hub FROM named ORDER BY 1 ON CONFLICT DO NOTHING
), agent AS (
    INSERT INTO hubwatch.agents (hub, agent, epoch)
    SELECT hub, agent, max(epoch) FROM named GROUP BY hub, agent ORDER BY 1, 2 ON CONFLICT DO NOTHING
)
INSERT INTO hubwatch.epoch (hub, agent, epoch) SELECT hub, agent, epoch FROM named n
WHERE NOT EXISTS (SELECT FROM hubwatch.epoch e WHERE (e.hub, e.agent, e.epoch) = (n.hub, n.agent, n.epoch))
ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING;

-- find_epochs: ids of epochs
SELECT e.id, hub, agent, epoch FROM hubwatch.epoch e
JOIN unnest(%s::text[], %s::text[], %s::text[]) AS n (hub, agent, epoch) USING (hub, agent, epoch);

-- generation: how often what names mean has changed; it stays so until the transaction ends
SELECT hubwatch.identities_known();

-- make_sensors: sensors that sent before they were announced: their kind stays unknown until a birth tells it.
-- A name that a sensor had before it was renamed is still its own.
WITH named AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) AS n (hub, sensor, agent)
), hub AS (
    INSERT INTO hubwatch.hubs (hub) SELECT DISTINCT hub FROM named ORDER BY 1 ON CONFLICT DO NOTHING
)
INSERT INTO hubwatch.sensors (hub, sensor, agent) SELECT hub, sensor, agent FROM named n
WHERE NOT EXISTS (SELECT FROM hubwatch.sensors s WHERE (s.hub, s.sensor) = (n.hub, n.sensor))
    AND NOT EXISTS (SELECT FROM hubwatch.sensor_former f
                    WHERE (f.hub, f.name) = (n.hub, n.sensor) AND f.until IS NULL)
ORDER BY 1, 2 ON CONFLICT DO NOTHING;

-- find_sensors: the sensors that names mean or meant: until when (µs; null: without end), and whether it was before
SELECT n.hub, n.sensor, s.id, NULL::bigint, false FROM unnest(%(hub)s::text[], %(sensor)s::text[]) AS n (hub, sensor)
JOIN hubwatch.sensors s USING (hub, sensor)
UNION ALL
SELECT n.hub, n.sensor, f.sensor_id, (extract(epoch FROM f.until) * 1000000)::bigint, true
FROM unnest(%(hub)s::text[], %(sensor)s::text[]) AS n (hub, sensor)
JOIN hubwatch.sensor_former f ON f.hub = n.hub AND f.name = n.sensor;

-- find_owners: whose word about sensors does not count from when on (µs; null: since ever)
SELECT sensor_id, (extract(epoch FROM NULLIF(since, '-infinity')) * 1000000)::bigint, rivals
FROM hubwatch.sensor_owner WHERE sensor_id = ANY (%s::integer[]);

-- find_channels: ids of channels under all their meanings, each with the moment it begins (µs; null: since ever)
SELECT c.sensor_id, c.name, c.source, (extract(epoch FROM c.valid_from) * 1000000)::bigint, c.id
FROM hubwatch.channels c
JOIN unnest(%s::integer[], %s::text[]) AS n (sensor_id, name) ON n.sensor_id = c.sensor_id AND n.name = c.name;

-- make_channels: channels that sent before they were announced, and those of agents whose word does not count
INSERT INTO hubwatch.channels (sensor_id, hub, sensor, channel)
SELECT s.id, s.hub, s.sensor, n.called
FROM unnest(%s::integer[], %s::text[]) AS n (sensor_id, called) JOIN hubwatch.sensors s ON s.id = n.sensor_id
WHERE NOT EXISTS (SELECT FROM hubwatch.channels c WHERE (c.hub, c.sensor, c.channel) = (s.hub, s.sensor, n.called))
ORDER BY 2, 3, 4 ON CONFLICT DO NOTHING;

-- partitions: makes the partitions for moments (µs UTC) where the engine does not do so by itself
SELECT hubwatch.ensure_partitions(%s, ARRAY(
    SELECT TIMESTAMPTZ 'epoch' + us * INTERVAL '1 microsecond' FROM unnest(%s::bigint[]) us));

-- foreign: of who speaks under which epoch those that are known as another agent's, and not as their own, with whose
SELECT n.hub, n.agent, n.epoch, min(e.agent)
FROM unnest(%(hubs)s::text[], %(agents)s::text[], %(epochs)s::text[]) AS n (hub, agent, epoch)
JOIN hubwatch.epoch e ON e.epoch = n.epoch AND (e.hub, e.agent) <> (n.hub, n.agent) AND NOT e.refused
WHERE NOT EXISTS (
    SELECT FROM hubwatch.epoch o WHERE (o.hub, o.agent, o.epoch) = (n.hub, n.agent, n.epoch) AND NOT o.refused)
GROUP BY 1, 2, 3;
