-- hub: makes a hub known
INSERT INTO hubwatch.hubs (hub) VALUES (%s) ON CONFLICT DO NOTHING;

-- agent: what an agent runs and under which epoch; gives a row unless a newer birth is known
INSERT INTO hubwatch.agents AS a (hub, agent, epoch, software, config, born, state_since)
SELECT n.*, LEAST(n.born, clock_timestamp())
FROM (VALUES (%s, %s, %s, %s, %s, TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond'))
    AS n (hub, agent, epoch, software, config, born)
ON CONFLICT (hub, agent) DO UPDATE
SET epoch = excluded.epoch, software = excluded.software, config = excluded.config, born = excluded.born
WHERE a.born IS NULL OR a.born <= excluded.born
RETURNING 1;

-- state: whether an agent is there, unless something newer is known
INSERT INTO hubwatch.agents AS a (hub, agent, state, state_since)
VALUES (%s, %s, %s, TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond')
ON CONFLICT (hub, agent) DO UPDATE SET state = excluded.state, state_since = excluded.state_since
WHERE a.state <> excluded.state AND (a.state_since <= excluded.state_since OR a.born IS NULL);

-- zones: makes zones known
WITH named AS (SELECT %s::text AS hub, zone FROM unnest(%s::text[]) zone)
INSERT INTO hubwatch.zones (hub, zone) SELECT DISTINCT hub, zone FROM named ORDER BY 1, 2 ON CONFLICT DO NOTHING;

-- sensors: what an agent's sensors are
INSERT INTO hubwatch.sensors AS s (hub, agent, sensor, kind, zone, profile, max_age_s)
SELECT %s, %s, n.* FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::double precision[]) n
ON CONFLICT (hub, sensor) DO UPDATE
SET agent = excluded.agent, kind = excluded.kind, zone = excluded.zone, profile = excluded.profile,
    max_age_s = excluded.max_age_s
WHERE (s.agent, s.kind, s.zone, s.profile, s.max_age_s) IS DISTINCT FROM
    (excluded.agent, excluded.kind, excluded.zone, excluded.profile, excluded.max_age_s);

-- channels: what the channels of known sensors measure
INSERT INTO hubwatch.channels AS c (hub, sensor_id, sensor, channel, unit, kind, period_us, resolution)
SELECT s.hub, s.id, n.sensor, n.channel, n.unit, n.kind, n.period_us, n.resolution
FROM hubwatch.sensors s
JOIN (SELECT %s::text AS hub, u.* FROM
      unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::double precision[])
        AS u (sensor, channel, unit, kind, period_us, resolution)) n USING (hub, sensor)
ORDER BY n.sensor, n.channel
ON CONFLICT (hub, sensor, channel) DO UPDATE
SET unit = excluded.unit, kind = excluded.kind, period_us = excluded.period_us, resolution = excluded.resolution
WHERE (c.unit, c.kind, c.period_us, c.resolution) IS DISTINCT FROM
    (excluded.unit, excluded.kind, excluded.period_us, excluded.resolution);
