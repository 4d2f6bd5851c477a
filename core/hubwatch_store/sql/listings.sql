-- revive: an agent that was taken away and announces itself again is simply new; a copy of its last birth is no news
UPDATE hubwatch.agents
SET gone = NULL, gone_birth = NULL, born = NULL, state = 'online', state_since = clock_timestamp(), last_frame = NULL,
    last_seq = NULL, last_late = NULL
WHERE hub = %s AND agent = %s AND gone IS NOT NULL
    AND (gone_birth IS NULL OR gone_birth < TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond');

-- lock: keeps everybody from using ids of names until the transaction ends
SELECT hubwatch.identities_lock();

-- changed: lets everybody ask again what ids names have
SELECT nextval('hubwatch.identity_generation');

-- zones: makes zones known
WITH named AS (SELECT %s::text AS hub, zone FROM unnest(%s::text[]) zone)
INSERT INTO hubwatch.zones (hub, zone) SELECT DISTINCT hub, zone FROM named ORDER BY 1, 2 ON CONFLICT DO NOTHING;

-- new_names: a name that a birth uses again is from then on not a former one any more
UPDATE hubwatch.sensor_former SET until = TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond'
WHERE hub = %s AND name = ANY (%s::text[]) AND until IS NULL RETURNING 1;

-- unplace: an agent that says another zone than before goes before what an operator said
UPDATE hubwatch.sensors s SET placed = NULL
FROM unnest(%s::text[], %s::text[]) AS n (sensor, zone), hubwatch.listing l
WHERE l.hub = %s AND l.agent = %s AND l.sensor = n.sensor AND l.zone <> n.zone
    AND s.hub = l.hub AND s.sensor = l.sensor AND s.agent = l.agent AND s.placed IS NOT NULL;

-- list: what an agent lists now
INSERT INTO hubwatch.listing AS l (hub, agent, since, sensor, kind, zone, profile, max_age_s, channels)
SELECT %s, %s, least(clock_timestamp(), TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond'), n.sensor, n.kind, n.zone,
    n.profile, n.max_age_s, string_to_array(n.channels, ' ')
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::double precision[], %s::text[])
    AS n (sensor, kind, zone, profile, max_age_s, channels)
ON CONFLICT (hub, sensor, agent) DO UPDATE
SET kind = excluded.kind, zone = excluded.zone, profile = excluded.profile, max_age_s = excluded.max_age_s,
    channels = excluded.channels
WHERE (l.kind, l.zone, l.profile, l.max_age_s, l.channels) IS DISTINCT FROM
    (excluded.kind, excluded.zone, excluded.profile, excluded.max_age_s, excluded.channels);

-- unlist: takes away what an agent does not list any more; gives the sensors
DELETE FROM hubwatch.listing WHERE hub = %s AND agent = %s AND sensor <> ALL (%s::text[]) RETURNING sensor;

-- make: makes sensors known
INSERT INTO hubwatch.sensors (hub, sensor, agent) SELECT %s, n.sensor, %s FROM unnest(%s::text[]) n (sensor)
WHERE NOT EXISTS (SELECT FROM hubwatch.sensors s WHERE (s.hub, s.sensor) = (%s, n.sensor)) ORDER BY 2
ON CONFLICT DO NOTHING;

-- settle: says whose word about sensors counts now; true when ids of names have changed
SELECT coalesce(bool_or(hubwatch.settle_sensor(s.id, TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond')), false)
FROM (SELECT id FROM hubwatch.sensors WHERE hub = %s AND sensor = ANY (%s::text[]) ORDER BY sensor) s;

-- say: what an agent says of channels; true when one has a new meaning
SELECT coalesce(bool_or(hubwatch.say_channel(s.id,
    n.channel || CASE WHEN l.agent = ANY (o.rivals) THEN '@' || l.agent ELSE '' END, n.unit, n.kind, n.period_us,
    n.resolution, l.kind, CASE WHEN s.agent = l.agent THEN s.zone ELSE l.zone END, l.profile,
    TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond')), false)
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::double precision[])
    AS n (sensor, channel, unit, kind, period_us, resolution)
JOIN hubwatch.listing l ON l.hub = %s AND l.agent = %s AND l.sensor = n.sensor
JOIN hubwatch.sensors s ON s.hub = l.hub AND s.sensor = l.sensor
CROSS JOIN LATERAL (SELECT rivals FROM hubwatch.sensor_owner WHERE sensor_id = s.id ORDER BY since DESC LIMIT 1) o;

-- mark_channels: channels that no agent lists any more, though it lists the sensor, and those that come again
UPDATE hubwatch.channels c SET gone = CASE WHEN c.gone IS NULL THEN clock_timestamp() END
FROM hubwatch.sensors s
WHERE s.hub = %s AND s.sensor = ANY (%s::text[]) AND c.sensor_id = s.id AND c.valid_to IS NULL AND c.kind IS NOT NULL
    AND (c.gone IS NULL) <> EXISTS (SELECT FROM hubwatch.listing l
                                    WHERE l.hub = s.hub AND l.sensor = s.sensor AND c.name = ANY (l.channels));

-- shared: sensors of an agent that others list too
SELECT sensor FROM hubwatch.listing l WHERE hub = %s AND agent = %s
    AND EXISTS (SELECT FROM hubwatch.listing o WHERE o.hub = l.hub AND o.sensor = l.sensor AND o.agent <> l.agent)
ORDER BY sensor;
