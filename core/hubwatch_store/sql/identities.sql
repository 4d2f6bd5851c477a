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

-- make_sensors: sensors that sent before they were announced: their kind stays unknown until a birth tells it
WITH named AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) AS n (hub, sensor, agent)
), hub AS (
    INSERT INTO hubwatch.hubs (hub) SELECT DISTINCT hub FROM named ORDER BY 1 ON CONFLICT DO NOTHING
)
INSERT INTO hubwatch.sensors (hub, sensor, agent) SELECT hub, sensor, agent FROM named n
WHERE NOT EXISTS (SELECT FROM hubwatch.sensors s WHERE (s.hub, s.sensor) = (n.hub, n.sensor))
ORDER BY 1, 2 ON CONFLICT DO NOTHING;

-- find_sensors: ids of sensors
SELECT s.id, hub, sensor FROM hubwatch.sensors s
JOIN unnest(%s::text[], %s::text[]) AS n (hub, sensor) USING (hub, sensor);

-- make_channels: channels that sent before they were announced; their sensors are known
WITH named AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) AS n (hub, sensor, channel)
)
INSERT INTO hubwatch.channels (sensor_id, hub, sensor, channel)
SELECT s.id, hub, sensor, channel FROM named n JOIN hubwatch.sensors s USING (hub, sensor)
WHERE NOT EXISTS (SELECT FROM hubwatch.channels c WHERE (c.hub, c.sensor, c.channel) = (n.hub, n.sensor, n.channel))
ORDER BY 2, 3, 4 ON CONFLICT DO NOTHING;

-- find_channels: ids of channels
SELECT c.id, hub, sensor, channel FROM hubwatch.channels c
JOIN unnest(%s::text[], %s::text[], %s::text[]) AS n (hub, sensor, channel) USING (hub, sensor, channel);

-- partitions: makes the partitions for moments (µs UTC) where the engine does not do so by itself
SELECT hubwatch.ensure_partitions(%s, ARRAY(
    SELECT TIMESTAMPTZ 'epoch' + us * INTERVAL '1 microsecond' FROM unnest(%s::bigint[]) us));
