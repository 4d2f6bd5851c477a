-- A line breaks where nothing was read, also where it is the only one. Grafana breaks it at an empty value, and a single
-- line has none: nothing stands between two of its points. So one is put behind the last point before each silence.
-- As 0207 had it.
CREATE FUNCTION hubwatch.board_course_read(hubs text[], kinds text[], sensors text[], names text[], since timestamptz,
    until timestamptz, step_ms bigint)
RETURNS TABLE ("time" timestamptz, metric text, value double precision)
LANGUAGE sql STABLE AS $$
    WITH chosen AS (
        SELECT c.id, c.hub, c.sensor, c.channel, concat_ws(' ', concat_ws(' · ',
                CASE WHEN cardinality(board_course_read.hubs) > 1 THEN p.hub_name END, p.place), c.channel)
            || CASE WHEN c.time IS NULL THEN ' – never heard' WHEN c.age_s < -2 OR c.age_s > c.max_age_s THEN ' – STALE'
                WHEN c.quality = 2 THEN ' – BLIND' ELSE '' END AS metric, count(*) OVER () AS every
        FROM hubwatch.board_channels c JOIN hubwatch.board_places p ON p.hub = c.hub AND p.sensor = c.sensor
        WHERE c.hub = ANY (board_course_read.hubs) AND (board_course_read.kinds IS NULL OR c.kind = ANY (board_course_read.kinds))
            AND (board_course_read.sensors IS NULL OR c.sensor = ANY (board_course_read.sensors))
            -- What an agent says of itself is shown only to whoever asks for it by name.
            AND (board_course_read.names IS NOT NULL OR NOT EXISTS (
                SELECT FROM hubwatch.agents a WHERE a.hub = c.hub AND a.agent = c.sensor))
            AND (board_course_read.names IS NULL OR split_part(c.name, '.', 1) = ANY (board_course_read.names))
        ORDER BY p.place, c.channel LIMIT 60
    )
    SELECT date_bin(greatest(board_course_read.step_ms, 1000) * INTERVAL '1 ms', r.bucket, 'epoch'), c.metric, max(r.max)
    FROM chosen c CROSS JOIN LATERAL hubwatch.rollup(greatest(board_course_read.step_ms, 1000) * INTERVAL '1 ms', c.id,
        board_course_read.since, board_course_read.until) r
    WHERE board_course_read.until - board_course_read.since <= INTERVAL '1 hour' AND r.max IS NOT NULL
    GROUP BY 1, 2
    UNION ALL
    SELECT date_bin(greatest(board_course_read.step_ms, 1000) * INTERVAL '1 ms', g.at, 'epoch'), c.metric, max(r.max)
    FROM chosen c JOIN hubwatch.readings_1m r ON r.hub = c.hub AND r.sensor = c.sensor AND r.channel = c.channel
    -- A minute is drawn over all of its intervals: between single points there would be no line.
    CROSS JOIN LATERAL generate_series(r.bucket, r.bucket + INTERVAL '59999 ms',
        greatest(board_course_read.step_ms, 1000) * INTERVAL '1 ms') g (at)
    WHERE board_course_read.until - board_course_read.since > INTERVAL '1 hour' AND board_course_read.step_ms < 3600000
        AND r.bucket BETWEEN board_course_read.since AND board_course_read.until AND r.max IS NOT NULL
    GROUP BY 1, 2
    UNION ALL
    SELECT date_bin(board_course_read.step_ms * INTERVAL '1 ms', r.bucket, 'epoch'), c.metric, max(r.max)
    FROM chosen c JOIN hubwatch.readings_1h r ON r.hub = c.hub AND r.sensor = c.sensor AND r.channel = c.channel
    WHERE board_course_read.until - board_course_read.since > INTERVAL '1 hour' AND board_course_read.step_ms >= 3600000
        AND r.bucket BETWEEN board_course_read.since AND board_course_read.until AND r.max IS NOT NULL
    GROUP BY 1, 2
    UNION ALL
    SELECT board_course_read.until, CASE WHEN EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_course_read.hubs))
        THEN 'no such sensor yet' ELSE 'no hub yet' END, NULL
    WHERE NOT EXISTS (SELECT FROM chosen)
    UNION ALL
    SELECT board_course_read.until, max(c.every) - 60 || ' more: choose fewer', NULL FROM chosen c HAVING max(c.every) > 60
$$;
CREATE OR REPLACE FUNCTION hubwatch.board_course(hubs text[], kinds text[], sensors text[], names text[], since timestamptz,
    until timestamptz, step_ms bigint)
RETURNS TABLE ("time" timestamptz, metric text, value double precision)
LANGUAGE sql STABLE AS $$
    WITH points AS (
        SELECT r."time", r.metric, r.value, lead(r."time") OVER (PARTITION BY r.metric ORDER BY r."time") - r."time" AS pause
        FROM hubwatch.board_course_read(board_course.hubs, board_course.kinds, board_course.sensors, board_course.names,
            board_course.since, board_course.until, board_course.step_ms) r
    )
    SELECT p."time" + s.i * INTERVAL '1 s', p.metric, CASE WHEN s.i = 0 THEN p.value END
    FROM points p
    -- Two minutes, or two of what a point stands for: as long as the panels draw over what is empty.
    CROSS JOIN LATERAL generate_series(0, coalesce(p.pause > greatest(INTERVAL '120 s', 2 * CASE
        WHEN board_course.until - board_course.since <= INTERVAL '1 hour' OR board_course.step_ms >= 60000
        THEN board_course.step_ms * INTERVAL '1 ms' ELSE INTERVAL '60 s' END), false)::integer) s (i)
    ORDER BY 1
$$;

-- As 0208 had it.
CREATE FUNCTION hubwatch.board_hours_read(hubs text[], sensors text[], names text[], figure text, since timestamptz,
    until timestamptz)
RETURNS TABLE ("time" timestamptz, metric text, value double precision)
LANGUAGE sql STABLE AS $$
    WITH chosen AS (
        SELECT c.hub, c.sensor, c.channel, concat_ws(' ', concat_ws(' · ',
            CASE WHEN cardinality(board_hours_read.hubs) > 1 THEN p.hub_name END, p.place), c.channel) AS metric
        FROM hubwatch.board_channels c JOIN hubwatch.board_places p ON p.hub = c.hub AND p.sensor = c.sensor
        WHERE c.hub = ANY (board_hours_read.hubs) AND c.sensor = ANY (board_hours_read.sensors)
            AND split_part(c.name, '.', 1) = ANY (board_hours_read.names)
        ORDER BY p.place, c.channel LIMIT 60
    )
    SELECT r.bucket, c.metric, CASE board_hours_read.figure WHEN 'min' THEN r.min ELSE r.avg END
    FROM chosen c JOIN hubwatch.readings_1h r ON r.hub = c.hub AND r.sensor = c.sensor AND r.channel = c.channel
    WHERE r.bucket BETWEEN board_hours_read.since AND board_hours_read.until AND r.max IS NOT NULL
    UNION ALL
    SELECT board_hours_read.until, CASE WHEN EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_hours_read.hubs))
        THEN 'no such sensor yet' ELSE 'no hub yet' END, NULL
    WHERE NOT EXISTS (SELECT FROM chosen)
$$;
CREATE OR REPLACE FUNCTION hubwatch.board_hours(hubs text[], sensors text[], names text[], figure text, since timestamptz,
    until timestamptz)
RETURNS TABLE ("time" timestamptz, metric text, value double precision)
LANGUAGE sql STABLE AS $$
    WITH points AS (
        SELECT r."time", r.metric, r.value, lead(r."time") OVER (PARTITION BY r.metric ORDER BY r."time") - r."time" AS pause
        FROM hubwatch.board_hours_read(board_hours.hubs, board_hours.sensors, board_hours.names, board_hours.figure,
            board_hours.since, board_hours.until) r
    )
    SELECT p."time" + s.i * INTERVAL '1 s', p.metric, CASE WHEN s.i = 0 THEN p.value END
    FROM points p CROSS JOIN LATERAL generate_series(0, coalesce(p.pause > INTERVAL '2 hours', false)::integer) s (i)
    ORDER BY 1
$$;
