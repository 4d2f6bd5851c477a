-- readings: of one channel over all its meanings, in time order; times in µs
SELECT (extract(epoch FROM r.time) * 1000000)::bigint, r.value, r.quality, r.reason,
    (extract(epoch FROM r.device_time) * 1000000)::bigint, c.unit, c.version
FROM hubwatch.readings r JOIN hubwatch.channels c USING (hub, sensor, channel)
WHERE c.hub = %(hub)s AND c.sensor = %(sensor)s AND c.name = %(channel)s AND c.source IS NULL
    AND r.time >= %(start)s AND r.time < %(end)s
ORDER BY r.time;

-- all_readings: of a hub or some of its sensors, sensor by sensor
SELECT (extract(epoch FROM r.time) * 1000000)::bigint, c.sensor, c.channel, c.unit, r.value, r.quality, r.reason,
    (extract(epoch FROM r.device_time) * 1000000)::bigint
FROM hubwatch.readings r JOIN hubwatch.channels c USING (hub, sensor, channel)
WHERE c.hub = %(hub)s AND (%(sensors)s::text[] IS NULL OR c.sensor = ANY (%(sensors)s::text[]))
    AND r.time >= %(start)s AND r.time < %(end)s
ORDER BY c.sensor, c.channel, r.time;

-- events: of a hub or some of its sensors, in time order
SELECT (extract(epoch FROM time) * 1000000)::bigint, sensor, type, subject, attrs::text,
    (extract(epoch FROM device_time) * 1000000)::bigint, late
FROM hubwatch.events
WHERE hub = %(hub)s AND (%(sensors)s::text[] IS NULL OR sensor = ANY (%(sensors)s::text[]))
    AND time >= %(start)s AND time < %(end)s
ORDER BY time, sensor;

-- detections: of a hub or some of its sensors that began in the span, in the order of their begin; none of an exercise
SELECT (extract(epoch FROM start) * 1000000)::bigint, id, type, sensor, subject,
    (extract(epoch FROM "end") * 1000000)::bigint, (extract(epoch FROM detected) * 1000000)::bigint, score, priority,
    detector, version, late, why, evidence::text
FROM hubwatch.detections
WHERE exercise IS NULL AND hub = %(hub)s AND (%(sensors)s::text[] IS NULL OR sensor = ANY (%(sensors)s::text[]))
    AND start >= %(start)s AND start < %(end)s
ORDER BY start, id;

-- channels: what there is to read of a hub, and between when
SELECT sensor, name, unit, version, sensor_kind, zone, period_us, valid_from, valid_to
FROM hubwatch.channels WHERE hub = %(hub)s AND source IS NULL ORDER BY sensor, name, version;

-- counters: the channels of a sensor that begin with one of these words
SELECT DISTINCT name FROM hubwatch.channels
WHERE hub = %(hub)s AND sensor = %(sensor)s AND source IS NULL AND split_part(name, '.', 1) = ANY (%(heads)s)
ORDER BY name;

-- hubs: their names
SELECT hub FROM hubwatch.hubs ORDER BY hub;

-- inventory: the sensors of a hub as agents list them now, a row for each channel
SELECT s.agent, s.sensor, s.kind, coalesce(s.zone, ''), coalesce(s.profile, ''), s.max_age_s, c.name, c.unit, c.kind,
    c.period_us, c.resolution
FROM hubwatch.sensors s LEFT JOIN hubwatch.channels c ON c.hub = s.hub AND c.sensor = s.sensor AND c.source IS NULL
    AND c.valid_to IS NULL AND c.gone IS NULL AND c.kind IS NOT NULL
WHERE s.hub = %(hub)s AND s.agent IS NOT NULL AND s.gone IS NULL AND s.kind IS NOT NULL ORDER BY s.sensor, c.name;
