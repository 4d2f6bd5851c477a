-- agent: an agent that is there, whether it is online, and how old (s) its last frame is; held until the transaction ends
SELECT (extract(epoch FROM born) * 1000000)::bigint, state = 'online',
    extract(epoch FROM clock_timestamp() - last_frame)::double precision
FROM hubwatch.agents WHERE hub = %s AND agent = %s AND gone IS NULL FOR UPDATE;

-- take_agent: an agent is gone; with the time (µs) of its last birth a copy of that does not bring it back
UPDATE hubwatch.agents
SET gone = clock_timestamp(), gone_birth = TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond', state = 'offline',
    state_since = CASE WHEN state = 'offline' THEN state_since ELSE clock_timestamp() END
WHERE hub = %s AND agent = %s;

-- unlist: takes away all that an agent listed; gives the sensors
DELETE FROM hubwatch.listing WHERE hub = %s AND agent = %s RETURNING sensor;

-- unlisted: those of some sensors that no agent lists now
SELECT sensor FROM hubwatch.sensors WHERE hub = %s AND sensor = ANY (%s::text[]) AND gone IS NOT NULL ORDER BY sensor;

-- sensor: a sensor's id and the agents that list it; held until the transaction ends
SELECT id, ARRAY(SELECT agent FROM hubwatch.listing l WHERE l.hub = s.hub AND l.sensor = s.sensor ORDER BY agent)
FROM hubwatch.sensors s WHERE hub = %s AND sensor = %s FOR UPDATE;

-- take_sensor: a sensor is gone
UPDATE hubwatch.sensors SET gone = coalesce(gone, clock_timestamp()) WHERE id = %s;

-- renew: begins a new validity of each channel of a sensor
SELECT hubwatch.renew_channel(id, TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond')
FROM (SELECT id FROM hubwatch.channels WHERE sensor_id = %s AND valid_to IS NULL AND source IS NULL ORDER BY id) c;

-- place: says in which zone a sensor is
UPDATE hubwatch.sensors SET placed = %s, zone = %s WHERE id = %s;

-- make_zone: makes a zone known
INSERT INTO hubwatch.zones (hub, zone) VALUES (%s, %s) ON CONFLICT DO NOTHING;

-- place_channels: begins a new validity of each channel of a sensor that was elsewhere
SELECT hubwatch.say_channel(c.sensor_id, c.channel, c.unit, c.kind, c.period_us, c.resolution, c.sensor_kind, %s,
    c.profile, TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond')
FROM (SELECT * FROM hubwatch.channels
      WHERE sensor_id = %s AND valid_to IS NULL AND source IS NULL AND kind IS NOT NULL ORDER BY id) c;

-- join_events: what happened under the new name already belongs to the sensor
UPDATE hubwatch.event SET sensor_id = %s WHERE sensor_id = %s;

-- join_owners: and who had it
INSERT INTO hubwatch.sensor_owner (sensor_id, since, agent, rivals)
SELECT %s, CASE WHEN since = '-infinity' THEN TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond' ELSE since END, agent,
    rivals
FROM hubwatch.sensor_owner WHERE sensor_id = %s ON CONFLICT DO NOTHING;

-- leave_owners: see join_owners
DELETE FROM hubwatch.sensor_owner WHERE sensor_id = %s;

-- end_channels: ends the present validity of channels that go on as those of another sensor
UPDATE hubwatch.channels c
SET channel = c.channel || '#' || c.version, valid_to = TIMESTAMPTZ 'epoch' + %(at)s * INTERVAL '1 microsecond'
WHERE c.sensor_id = %(old)s AND c.valid_to IS NULL
    AND EXISTS (SELECT FROM hubwatch.channels n WHERE n.sensor_id = %(new)s AND n.channel = c.channel);

-- join_channels: channels of another sensor go on as those of this one, each with a later validity
UPDATE hubwatch.channels n
SET sensor_id = %(old)s, version = n.version + coalesce(o.last, 0),
    channel = CASE WHEN n.valid_to IS NULL THEN n.channel
        ELSE split_part(n.channel, '#', 1) || '#' || n.version + coalesce(o.last, 0) END,
    valid_from = coalesce(n.valid_from, o.ended)
FROM hubwatch.channels m
LEFT JOIN LATERAL (
    SELECT max(version) AS last, max(valid_to) AS ended FROM hubwatch.channels o
    WHERE o.sensor_id = %(old)s AND o.name = m.name AND o.source IS NOT DISTINCT FROM m.source) o ON true
WHERE n.sensor_id = %(new)s AND m.id = n.id;

-- first_said: when (µs) a sensor was first said to be there: its first reading, event or listing
SELECT (extract(epoch FROM least(
    (SELECT min(since) FROM hubwatch.listing l WHERE l.hub = s.hub AND l.sensor = s.sensor),
    (SELECT min(time) FROM hubwatch.event WHERE sensor_id = s.id), clock_timestamp())) * 1000000)::bigint
FROM hubwatch.sensors s WHERE id = %s;

-- join_former: what other names meant the sensor that is joined
UPDATE hubwatch.sensor_former SET sensor_id = %s WHERE sensor_id = %s;

-- drop_sensor: removes a sensor that was joined with another
DELETE FROM hubwatch.sensors WHERE id = %s RETURNING agent, kind, zone, profile, max_age_s, gone, placed;

-- take_over: a sensor is what was said of the one it was joined with
UPDATE hubwatch.sensors SET (agent, kind, zone, profile, max_age_s, gone, placed) = (%s, %s, %s, %s, %s, %s, %s)
WHERE id = %s;

-- rename: gives a sensor its new name
UPDATE hubwatch.sensors SET sensor = %s WHERE id = %s;

-- rename_channels: see rename
UPDATE hubwatch.channels SET sensor = %s WHERE sensor_id = %s;

-- rename_listing: see rename
UPDATE hubwatch.listing SET sensor = %s WHERE hub = %s AND sensor = %s;

-- drop_listing: what is listed under a new name already is not listed under the old one
DELETE FROM hubwatch.listing l WHERE hub = %s AND sensor = %s
    AND EXISTS (SELECT FROM hubwatch.listing o WHERE o.hub = l.hub AND o.sensor = %s AND o.agent = l.agent);

-- remember_name: what is still said under the old name is this sensor's
INSERT INTO hubwatch.sensor_former (sensor_id, hub, name) VALUES (%s, %s, %s)
ON CONFLICT (hub, name, sensor_id) DO UPDATE SET until = NULL;

-- write: adds to the journal of devices
INSERT INTO hubwatch.device_journal (action, hub, agent, sensor, target, birth, by, reason)
VALUES (%s, %s, %s, %s, %s, TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond', %s, %s);

-- acts: what was done after an entry of the journal, at some hubs or at all
SELECT id, (extract(epoch FROM at) * 1000000)::bigint, action, hub, agent, sensor,
    (extract(epoch FROM birth) * 1000000)::bigint, by, reason
FROM hubwatch.device_journal
WHERE id > %(after)s AND (%(hubs)s::text[] IS NULL OR hub = ANY (%(hubs)s::text[])) ORDER BY id;
