-- Where sensors are in words of people, and whether each is seen.

-- Zone and sensor as the site names them; the hub's name before them where several are looked at.
CREATE VIEW hubwatch.board_places WITH (security_invoker = true) AS
SELECT s.hub, s.sensor, s.zone, s.kind, coalesce(z.name, s.zone) AS zone_name, coalesce(p.label, s.sensor) AS label,
    concat_ws(' · ', coalesce(z.name, s.zone), coalesce(p.label, s.sensor)) AS place,
    coalesce(h.name, s.hub) AS hub_name
FROM hubwatch.sensors s
LEFT JOIN hubwatch.hubs h ON h.hub = s.hub
LEFT JOIN hubwatch.zones z ON z.hub = s.hub AND z.zone = s.zone
LEFT JOIN hubwatch.sensor_places p ON p.hub = s.hub AND p.sensor = s.sensor;

-- The age of the newest reading of each channel that is expected. Where an agent says that its clock is doubted, and
-- sends nothing that is late, the age is counted from its own newest frame: an offset of its clock is no silence.
CREATE VIEW hubwatch.board_channels WITH (security_invoker = true) AS
SELECT s.hub, s.sensor, c.id, c.channel, c.unit, c.name, s.kind, coalesce(s.max_age_s, 60) AS max_age_s, l.time,
    l.value, l.quality, l.reason,
    l.reason LIKE 'clock %' AS doubted,
    CASE WHEN l.reason LIKE 'clock %' AND a.heard BETWEEN now() - INTERVAL '30 s' AND now()
            AND coalesce(a.last_late < now() - INTERVAL '30 s', true)
        THEN extract(epoch FROM now() - a.heard + greatest(a.last_frame - l.time, INTERVAL '0'))::double precision
        ELSE l.age_s END AS age_s
FROM hubwatch.sensors s
JOIN hubwatch.channels c ON c.hub = s.hub AND c.sensor = s.sensor
LEFT JOIN hubwatch.latest l ON l.hub = c.hub AND l.sensor = c.sensor AND l.channel = c.channel
LEFT JOIN hubwatch.agents a ON a.hub = s.hub AND a.agent = s.agent
WHERE s.gone IS NULL AND c.gone IS NULL AND c.valid_to IS NULL AND c.source IS NULL;

-- A channel that was never published beside others that are is not expected: it is listed and not called blind.
CREATE FUNCTION hubwatch.board_sights(hubs text[])
RETURNS TABLE (hub text, zone text, sensor text, kind text, agent text, place text, sight text, why text,
    channels text, unpublished text, heard timestamptz, age_s double precision)
LANGUAGE sql STABLE AS $$
    SELECT s.hub, s.zone, s.sensor, s.kind, s.agent,
        concat_ws(' · ', CASE WHEN cardinality(board_sights.hubs) > 1 THEN p.hub_name END, p.place),
        CASE WHEN w.cause IS NOT NULL OR (l.published = 0 AND s.max_age_s IS NOT NULL) THEN 'BLIND'
            WHEN l.bad = l.published AND l.bad > 0 THEN 'BLIND' WHEN l.bad > 0 THEN 'PARTLY BLIND'
            WHEN l.doubted THEN 'clock doubted' ELSE 'seen' END,
        coalesce(w.cause, CASE WHEN l.published = 0 AND s.max_age_s IS NOT NULL THEN 'never heard' ELSE l.causes END),
        CASE WHEN l.published = 0 THEN l.silent ELSE l.bad_channels END, CASE WHEN l.published > 0 THEN l.silent END,
        l.heard, l.age_s
    FROM hubwatch.sensors s
    JOIN hubwatch.board_places p ON p.hub = s.hub AND p.sensor = s.sensor
    LEFT JOIN hubwatch.agents a ON a.hub = s.hub AND a.agent = s.agent AND a.gone IS NULL
    -- Three times the longest pause between two frames of an agent, as in the console. What no birth has described has
    -- no agent of which anything could be expected.
    CROSS JOIN LATERAL (SELECT CASE WHEN a.state = 'offline' THEN 'agent offline' WHEN s.kind IS NULL THEN NULL
        WHEN a.agent IS NULL THEN 'no agent'
        WHEN coalesce(a.heard BETWEEN now() - INTERVAL '30 s' AND now() + INTERVAL '30 s', false) THEN NULL
        ELSE 'agent silent' END AS cause) w
    LEFT JOIN (
        SELECT c.hub, c.sensor, count(c.time) AS published, count(*) FILTER (WHERE c.cause IS NOT NULL) AS bad,
            bool_or(c.doubted) AS doubted, string_agg(DISTINCT c.cause, ', ') AS causes,
            string_agg(c.channel, ', ' ORDER BY c.channel) FILTER (WHERE c.cause IS NOT NULL) AS bad_channels,
            string_agg(c.channel, ', ' ORDER BY c.channel) FILTER (WHERE c.time IS NULL) AS silent,
            max(c.time) AS heard, min(c.age_s) AS age_s
        FROM (
            SELECT b.*, CASE WHEN b.age_s < -2 THEN 'time of the future' WHEN b.age_s > b.max_age_s THEN 'silent'
                WHEN b.quality = 2 THEN concat_ws(': ', 'bad', b.reason) END AS cause
            FROM hubwatch.board_channels b WHERE b.hub = ANY (board_sights.hubs)
        ) c GROUP BY c.hub, c.sensor
    ) l ON l.hub = s.hub AND l.sensor = s.sensor
    WHERE s.hub = ANY (board_sights.hubs) AND s.gone IS NULL
$$;

-- What cannot be seen: agents, sensors, and hubs of which no sensor is known.
CREATE FUNCTION hubwatch.board_blind(hubs text[])
RETURNS TABLE (place text, why text, channels text, heard timestamptz, zone text, hub text)
LANGUAGE sql STABLE AS $$
    WITH blind AS (
        SELECT concat_ws(' · ', CASE WHEN cardinality(board_blind.hubs) > 1 THEN a.hub END, 'agent ' || a.agent) AS place,
            'agent offline' AS why, NULL AS channels, a.heard, NULL AS zone, a.hub, 0 AS rank
        FROM hubwatch.agents a WHERE a.state = 'offline' AND a.gone IS NULL AND a.hub = ANY (board_blind.hubs)
        UNION ALL
        SELECT s.place, s.why, s.channels, s.heard, s.zone, s.hub, CASE s.sight WHEN 'BLIND' THEN 1 ELSE 2 END
        FROM hubwatch.board_sights(board_blind.hubs) s WHERE s.sight IN ('BLIND', 'PARTLY BLIND')
        UNION ALL
        SELECT coalesce(h.name, h.hub), CASE WHEN EXISTS (SELECT FROM hubwatch.sensors s WHERE s.hub = h.hub)
            THEN 'no sensor any more' ELSE 'no sensor yet' END, NULL, NULL, NULL, h.hub, 0
        FROM hubwatch.hubs h WHERE h.hub = ANY (board_blind.hubs)
            AND NOT EXISTS (SELECT FROM hubwatch.sensors s WHERE s.hub = h.hub AND s.gone IS NULL)
    ), counted AS (
        SELECT b.*, row_number() OVER (ORDER BY b.rank, b.place) AS n, count(*) OVER () AS every FROM blind b
    )
    SELECT CASE WHEN b.n = 201 THEN b.every - 200 || ' more: see the board of devices' WHEN b.n IS NOT NULL THEN b.place END,
        CASE WHEN b.n = 201 THEN NULL ELSE coalesce(b.why, c.sentence) END, CASE WHEN b.n < 201 THEN b.channels END,
        CASE WHEN b.n < 201 THEN b.heard END, CASE WHEN b.n < 201 THEN b.zone END, CASE WHEN b.n < 201 THEN b.hub END
    FROM (SELECT hubwatch.board_calm('Everything is seen', board_blind.hubs) AS sentence) c
    LEFT JOIN counted b ON b.n <= 201
    ORDER BY b.n
$$;

-- Sensors of some zones and kinds, each with its newest reading, how old that is and whether it is seen.
CREATE FUNCTION hubwatch.board_sensors(hubs text[], zones text[], kinds text[])
RETURNS TABLE (place text, sight text, why text, kind text, heard timestamptz, channels text, unpublished text,
    sensor text, zone text)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT s.*, row_number() OVER (ORDER BY s.sight NOT IN ('BLIND', 'PARTLY BLIND'), s.place) AS n,
            count(*) OVER () AS every
        FROM hubwatch.board_sights(board_sensors.hubs) s
        WHERE (board_sensors.zones IS NULL OR coalesce(s.zone, '–') = ANY (board_sensors.zones))
            AND (board_sensors.kinds IS NULL OR s.kind = ANY (board_sensors.kinds))
    )
    SELECT CASE WHEN f.n = 201 THEN f.every - 200 || ' more: choose a zone' ELSE coalesce(f.place, c.sentence) END,
        CASE WHEN f.n < 201 THEN f.sight END, CASE WHEN f.n < 201 THEN f.why END, CASE WHEN f.n < 201 THEN f.kind END,
        CASE WHEN f.n < 201 THEN f.heard END, CASE WHEN f.n < 201 THEN f.channels END,
        CASE WHEN f.n < 201 THEN f.unpublished END, CASE WHEN f.n < 201 THEN f.sensor END,
        CASE WHEN f.n < 201 THEN f.zone END
    FROM (SELECT hubwatch.board_calm('no sensor yet', board_sensors.hubs, board_sensors.zones, board_sensors.kinds)
        AS sentence) c
    LEFT JOIN found f ON f.n <= 201
    ORDER BY f.n
$$;

-- The newest value of each channel, with its unit in the same cell, and its age beside it.
CREATE FUNCTION hubwatch.board_values(hubs text[], zones text[], kinds text[], names text[])
RETURNS TABLE (place text, quantity text, value text, sight text, read timestamptz)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT concat_ws(' · ', CASE WHEN cardinality(board_values.hubs) > 1 THEN p.hub_name END, p.place) AS place,
            c.channel, CASE WHEN c.value IS NOT NULL THEN
                concat_ws(' ', round(c.value::numeric, 3)::double precision::text,
                    CASE WHEN c.unit NOT IN ('', '1', 'none') THEN c.unit END) END AS value,
            CASE WHEN c.time IS NULL THEN 'never heard' WHEN s.why IN ('agent offline', 'agent silent', 'no agent') THEN 'BLIND'
                WHEN c.age_s < -2 OR c.age_s > c.max_age_s THEN 'STALE'
                WHEN c.quality = 2 THEN 'BLIND' WHEN c.quality = 1 THEN 'uncertain' ELSE 'live' END AS sight, c.time,
            row_number() OVER (ORDER BY p.place, c.channel) AS n, count(*) OVER () AS every
        FROM hubwatch.board_channels c JOIN hubwatch.board_places p ON p.hub = c.hub AND p.sensor = c.sensor
        LEFT JOIN hubwatch.board_sights(board_values.hubs) s ON s.hub = c.hub AND s.sensor = c.sensor
        WHERE c.hub = ANY (board_values.hubs)
            AND (board_values.zones IS NULL OR coalesce(p.zone, '–') = ANY (board_values.zones))
            AND (board_values.kinds IS NULL OR c.kind = ANY (board_values.kinds))
            AND (board_values.names IS NULL OR split_part(c.name, '.', 1) = ANY (board_values.names))
    )
    SELECT CASE WHEN f.n = 301 THEN f.every - 300 || ' more: choose a zone' ELSE coalesce(f.place, c.sentence) END,
        CASE WHEN f.n < 301 THEN f.channel END, CASE WHEN f.n < 301 THEN f.value END,
        CASE WHEN f.n < 301 THEN f.sight END, CASE WHEN f.n < 301 THEN f.time END
    FROM (SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_values.hubs))
        THEN 'no such channel yet' ELSE 'no hub yet' END AS sentence) c
    LEFT JOIN found f ON f.n <= 301
    ORDER BY f.n
$$;
