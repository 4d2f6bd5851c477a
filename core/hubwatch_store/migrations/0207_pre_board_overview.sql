-- What the boards show of alarms, numbers and the data itself. Each answer says what it means when it is empty.

-- Alarms that are not closed, the most urgent first. `zones`, and `prefix` (of the type) with `kinds`, leave others out
-- where given: that a portal is silent or spoofed is an alarm of the portal, whatever its type is called.
CREATE FUNCTION hubwatch.board_open_alarms(hubs text[], zones text[], prefix text, kinds text[])
RETURNS TABLE (priority smallint, place text, what text, since timestamptz, last timestamptz, state text, taken_by text,
    told text, times integer, subject text, why text, alarm bigint)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT a.*, concat_ws(' · ', CASE WHEN cardinality(board_open_alarms.hubs) > 1 THEN coalesce(h.name, a.hub) END,
                coalesce(z.name, a.zone), coalesce(p.label, a.sensor)) AS place,
            row_number() OVER (ORDER BY a.exercise IS NOT NULL, a.priority,
                a.state NOT IN ('unacknowledged', 'returned'), a.opened, a.id) AS n, count(*) OVER () AS every
        FROM hubwatch.alarms a
        LEFT JOIN hubwatch.hubs h ON h.hub = a.hub
        LEFT JOIN hubwatch.zones z ON z.hub = a.hub AND z.zone = a.zone
        LEFT JOIN hubwatch.sensor_places p ON p.hub = a.hub AND p.sensor = a.sensor
        WHERE a.closed IS NULL AND a.hub = ANY (board_open_alarms.hubs)
            AND (board_open_alarms.zones IS NULL OR coalesce(a.zone, '–') = ANY (board_open_alarms.zones))
            AND (board_open_alarms.prefix IS NULL OR starts_with(a.type, board_open_alarms.prefix)
                OR EXISTS (SELECT FROM hubwatch.sensors s WHERE s.hub = a.hub AND s.sensor = a.sensor
                    AND s.kind = ANY (board_open_alarms.kinds)))
    )
    SELECT a.priority, CASE WHEN a.n = 201 THEN a.every - 200 || ' more: see the console' WHEN a.n IS NULL
            THEN hubwatch.board_no_alarm('No open alarm', board_open_alarms.hubs, board_open_alarms.zones) ELSE a.place END,
        CASE WHEN a.n < 201 THEN CASE WHEN a.exercise IS NOT NULL THEN 'EXERCISE: ' ELSE '' END || a.type END,
        CASE WHEN a.n < 201 THEN a.opened END, CASE WHEN a.n < 201 THEN a.last_active END,
        CASE WHEN a.n < 201 THEN a.state END, CASE WHEN a.n < 201 THEN a.acknowledged_by END,
        CASE WHEN a.n < 201 AND a.state IN ('unacknowledged', 'returned') THEN CASE
            WHEN t.untold_since NOT BETWEEN now() - INTERVAL '60 s' AND now() + INTERVAL '60 s' THEN 'nobody'
            WHEN t.untold_since IS NULL AND t.told IS NULL THEN 'unrouted'
            WHEN t.untold_since IS NULL THEN 'told' ELSE 'sending' END END,
        CASE WHEN a.n < 201 THEN a.detections END, CASE WHEN a.n < 201 THEN a.subject END,
        CASE WHEN a.n < 201 THEN a.why END, CASE WHEN a.n < 201 THEN a.id END
    FROM (SELECT) c LEFT JOIN found a ON a.n <= 201
    LEFT JOIN hubwatch.alarm_telling t ON t.alarm = a.id
    ORDER BY a.n
$$;

-- One number of each kind; NULL where there is nothing that could be counted. Ask for the columns that are wanted.
CREATE FUNCTION hubwatch.board_numbers(hubs text[], since timestamptz, until timestamptz)
RETURNS TABLE (alarms_waiting bigint, sensors_blind bigint, agents_offline bigint, frames_unexplained bigint,
    dead_letters bigint, readings_a_second double precision, as_of text)
LANGUAGE sql STABLE AS $$
    SELECT
        (SELECT CASE WHEN count(*) > 0 OR EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_numbers.hubs)
                AND NOT EXISTS (SELECT FROM hubwatch.board_duties(board_numbers.hubs) d WHERE d.works = 'NOT SURE')) THEN count(*) END
            FROM hubwatch.alarms a WHERE a.exercise IS NULL AND a.state IN ('unacknowledged', 'returned')
                AND a.closed IS NULL AND a.hub = ANY (board_numbers.hubs)),
        (SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.sensors e WHERE e.hub = ANY (board_numbers.hubs)
                AND e.gone IS NULL) THEN count(*) END
            FROM hubwatch.board_sights(board_numbers.hubs) s WHERE s.sight IN ('BLIND', 'PARTLY BLIND')),
        (SELECT CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE a.state = 'offline'
                OR NOT coalesce(a.heard BETWEEN now() - INTERVAL '30 s' AND now() + INTERVAL '30 s', false)) END
            FROM hubwatch.agents a WHERE a.gone IS NULL AND a.hub = ANY (board_numbers.hubs)),
        (SELECT CASE WHEN sum(g.frames) > 0 OR EXISTS (SELECT FROM hubwatch.agents a WHERE a.hub = ANY (board_numbers.hubs)
                AND NOT EXISTS (SELECT FROM hubwatch.board_duties(board_numbers.hubs) d
                    WHERE d.place = 1 AND d.works = 'NOT SURE'))
            THEN coalesce(sum(g.frames), 0)::bigint END
            FROM hubwatch.ledger_gaps g WHERE g.cause = 'unexplained' AND g.hub = ANY (board_numbers.hubs)),
        (SELECT CASE WHEN count(*) > 0 OR EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_numbers.hubs))
            THEN count(*) END
            FROM hubwatch.dead_letters l WHERE l.last_seen BETWEEN board_numbers.since AND board_numbers.until
                AND (l.hub IS NULL OR l.hub = ANY (board_numbers.hubs))),
        (SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_numbers.hubs))
            THEN (coalesce(sum(f.readings), 0) / 60.0)::double precision END
            FROM hubwatch.frames f WHERE f.committed BETWEEN now() - INTERVAL '60 s' AND now()
                AND f.hub = ANY (board_numbers.hubs)),
        hubwatch.board_as_of()
$$;

-- All that nobody is told of: alarms that are set aside, and what is expected now or later.
CREATE FUNCTION hubwatch.board_suppressed(hubs text[])
RETURNS TABLE (priority integer, place text, kind text, what text, since timestamptz, until timestamptz, by text,
    agreed_by text, why text, alarm bigint)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT s.*, CASE WHEN s.zone IS NULL AND s.sensor IS NULL THEN 'the whole of ' || coalesce(h.name, s.hub)
                ELSE concat_ws(' · ', CASE WHEN cardinality(board_suppressed.hubs) > 1 THEN coalesce(h.name, s.hub) END,
                    coalesce(z.name, s.zone), coalesce(p.label, s.sensor)) END AS place
        FROM hubwatch.suppressed s
        LEFT JOIN hubwatch.hubs h ON h.hub = s.hub
        LEFT JOIN hubwatch.zones z ON z.hub = s.hub AND z.zone = s.zone
        LEFT JOIN hubwatch.sensor_places p ON p.hub = s.hub AND p.sensor = s.sensor
        WHERE s.hub = ANY (board_suppressed.hubs)
    )
    SELECT f.priority, coalesce(f.place, hubwatch.board_calm('Nothing is set aside', board_suppressed.hubs)),
        f.kind || CASE WHEN f.since > now() THEN ' (to come)' ELSE '' END,
        CASE WHEN cardinality(f.types) > 0 THEN array_to_string(f.types, ', ') WHEN f.id IS NOT NULL THEN 'all types' END,
        f.since, f.until, f.by, f.agreed_by, f.reason, CASE WHEN f.what = 'alarm' THEN f.id END
    FROM (SELECT) c LEFT JOIN found f ON true
    ORDER BY f.priority, f.until, f.hub, f.id
$$;

-- What was found where, as bands over time: the priority while it lasted, 0 while it did not. The 20 most
-- urgent bands: as many as Grafana shows on a page.
CREATE FUNCTION hubwatch.board_detections(hubs text[], zones text[], prefix text, since timestamptz, until timestamptz)
RETURNS TABLE ("time" timestamptz, metric text, value smallint)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT concat_ws(' · ', CASE WHEN d.exercise IS NOT NULL THEN 'EXERCISE' END, d.type,
                CASE WHEN cardinality(board_detections.hubs) > 1 THEN coalesce(p.hub_name, d.hub) END,
                coalesce(p.place, d.sensor)) AS metric, d.start, coalesce(d."end", 'infinity') AS over, d.priority
        FROM hubwatch.detections d LEFT JOIN hubwatch.board_places p ON p.hub = d.hub AND p.sensor = d.sensor
        WHERE d.start <= board_detections.until
            AND (d.start >= board_detections.since - INTERVAL '1 day' OR d."end" IS NULL)
            AND coalesce(d."end", 'infinity') >= board_detections.since AND d.hub = ANY (board_detections.hubs)
            AND (board_detections.zones IS NULL OR coalesce(p.zone, '–') = ANY (board_detections.zones))
            AND (board_detections.prefix IS NULL OR starts_with(d.type, board_detections.prefix))
    ), bands AS (
        SELECT f.metric, row_number() OVER (ORDER BY min(f.priority), max(f.start) DESC, f.metric) AS rank
        FROM found f GROUP BY f.metric ORDER BY 2 LIMIT 20
    ), width AS (
        SELECT greatest(extract(epoch FROM board_detections.until - board_detections.since)::double precision / 200, 1) AS s
    ), drawn AS (
        SELECT f.metric, g.step, min(f.priority) AS priority
        FROM found f JOIN bands b ON b.metric = f.metric CROSS JOIN width w
        CROSS JOIN LATERAL generate_series(
            greatest(floor(extract(epoch FROM f.start - board_detections.since)::double precision / w.s), 0)::integer,
            floor(extract(epoch FROM least(f.over, board_detections.until) - board_detections.since)::double precision
                / w.s)::integer) g (step)
        GROUP BY 1, 2
    )
    SELECT r.at, r.metric, r.value FROM (
        SELECT board_detections.since + g.step * w.s * INTERVAL '1 s' AS at, b.metric, b.rank,
            coalesce(d.priority, 0)::smallint AS value
        FROM width w
        CROSS JOIN LATERAL generate_series(0, floor(
            extract(epoch FROM board_detections.until - board_detections.since)::double precision / w.s)::integer) g (step)
        CROSS JOIN bands b LEFT JOIN drawn d ON d.metric = b.metric AND d.step = g.step
        UNION ALL
        SELECT g.at, c.sentence, 0, CASE WHEN starts_with(c.sentence, 'no detection') THEN 0::smallint END
        FROM (VALUES (board_detections.since), (board_detections.until)) g (at)
        CROSS JOIN (SELECT hubwatch.board_no_alarm('no detection', board_detections.hubs, board_detections.zones)
            AS sentence) c
        WHERE NOT EXISTS (SELECT FROM found)
    ) r (at, metric, rank, value)
    ORDER BY r.at, r.rank
$$;

-- Readings stored a second, as the ledger counts them.
CREATE FUNCTION hubwatch.board_readings_stored(hubs text[], since timestamptz, until timestamptz, step_ms bigint)
RETURNS TABLE ("time" timestamptz, metric text, value double precision)
LANGUAGE sql STABLE AS $$
    WITH stored AS (
        SELECT date_bin(greatest(board_readings_stored.step_ms, 1000) * INTERVAL '1 ms', f.committed, 'epoch') AS at, f.hub,
            sum(f.readings) * 1000.0 / greatest(board_readings_stored.step_ms, 1000) AS rate
        FROM hubwatch.frames f
        WHERE f.committed BETWEEN board_readings_stored.since AND board_readings_stored.until
            AND f.hub = ANY (board_readings_stored.hubs)
        GROUP BY 1, 2
    )
    SELECT s.at, s.hub, s.rate::double precision FROM stored s
    UNION ALL
    SELECT date_bin(greatest(board_readings_stored.step_ms, 1000) * INTERVAL '1 ms', board_readings_stored.until, 'epoch'),
        h.hub, 0
    FROM hubwatch.hubs h
    WHERE h.hub = ANY (board_readings_stored.hubs) AND NOT EXISTS (SELECT FROM stored s WHERE s.hub = h.hub)
    UNION ALL
    SELECT board_readings_stored.until, 'no hub yet', NULL
    WHERE NOT EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_readings_stored.hubs))
    ORDER BY 1
$$;

-- The course of channels whose name begins with one of `names`, highest in each interval: from the readings up to an
-- hour, beyond from the minutes or hours. A channel that is silent says so in its name. The line breaks where nothing
-- was read. `sensors` leaves others out where given.
CREATE FUNCTION hubwatch.board_course(hubs text[], kinds text[], sensors text[], names text[], since timestamptz,
    until timestamptz, step_ms bigint)
RETURNS TABLE ("time" timestamptz, metric text, value double precision)
LANGUAGE sql STABLE AS $$
    WITH chosen AS (
        SELECT c.id, c.hub, c.sensor, c.channel, concat_ws(' ', concat_ws(' · ',
                CASE WHEN cardinality(board_course.hubs) > 1 THEN p.hub_name END, p.place), c.channel)
            || CASE WHEN c.time IS NULL THEN ' – never heard' WHEN c.age_s < -2 OR c.age_s > c.max_age_s THEN ' – STALE'
                WHEN c.quality = 2 THEN ' – BLIND' ELSE '' END AS metric, count(*) OVER () AS every
        FROM hubwatch.board_channels c JOIN hubwatch.board_places p ON p.hub = c.hub AND p.sensor = c.sensor
        WHERE c.hub = ANY (board_course.hubs) AND (board_course.kinds IS NULL OR c.kind = ANY (board_course.kinds))
            AND (board_course.sensors IS NULL OR c.sensor = ANY (board_course.sensors))
            -- What an agent says of itself is shown only to whoever asks for it by name.
            AND (board_course.names IS NOT NULL OR NOT EXISTS (
                SELECT FROM hubwatch.agents a WHERE a.hub = c.hub AND a.agent = c.sensor))
            AND (board_course.names IS NULL OR split_part(c.name, '.', 1) = ANY (board_course.names))
        ORDER BY p.place, c.channel LIMIT 60
    )
    SELECT date_bin(greatest(board_course.step_ms, 1000) * INTERVAL '1 ms', r.bucket, 'epoch'), c.metric, max(r.max)
    FROM chosen c CROSS JOIN LATERAL hubwatch.rollup(greatest(board_course.step_ms, 1000) * INTERVAL '1 ms', c.id,
        board_course.since, board_course.until) r
    WHERE board_course.until - board_course.since <= INTERVAL '1 hour' AND r.max IS NOT NULL
    GROUP BY 1, 2
    UNION ALL
    SELECT date_bin(greatest(board_course.step_ms, 1000) * INTERVAL '1 ms', g.at, 'epoch'), c.metric, max(r.max)
    FROM chosen c JOIN hubwatch.readings_1m r ON r.hub = c.hub AND r.sensor = c.sensor AND r.channel = c.channel
    -- A minute is drawn over all of its intervals: between single points there would be no line.
    CROSS JOIN LATERAL generate_series(r.bucket, r.bucket + INTERVAL '59999 ms',
        greatest(board_course.step_ms, 1000) * INTERVAL '1 ms') g (at)
    WHERE board_course.until - board_course.since > INTERVAL '1 hour' AND board_course.step_ms < 3600000
        AND r.bucket BETWEEN board_course.since AND board_course.until AND r.max IS NOT NULL
    GROUP BY 1, 2
    UNION ALL
    SELECT date_bin(board_course.step_ms * INTERVAL '1 ms', r.bucket, 'epoch'), c.metric, max(r.max)
    FROM chosen c JOIN hubwatch.readings_1h r ON r.hub = c.hub AND r.sensor = c.sensor AND r.channel = c.channel
    WHERE board_course.until - board_course.since > INTERVAL '1 hour' AND board_course.step_ms >= 3600000
        AND r.bucket BETWEEN board_course.since AND board_course.until AND r.max IS NOT NULL
    GROUP BY 1, 2
    UNION ALL
    SELECT board_course.until, CASE WHEN EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_course.hubs))
        THEN 'no such sensor yet' ELSE 'no hub yet' END, NULL
    WHERE NOT EXISTS (SELECT FROM chosen)
    UNION ALL
    SELECT board_course.until, max(c.every) - 60 || ' more: choose fewer', NULL FROM chosen c HAVING max(c.every) > 60
    ORDER BY 1
$$;

-- What happened at sensors of some kinds, or is of types that begin with one of `prefixes`; the newest first.
CREATE FUNCTION hubwatch.board_events(hubs text[], zones text[], kinds text[], prefixes text[], since timestamptz,
    until timestamptz, sentence text)
RETURNS TABLE ("time" timestamptz, place text, what text, subject text, detail text)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT n.*, row_number() OVER (ORDER BY n.time DESC) AS n, count(*) OVER () AS every
        FROM (SELECT e.time, concat_ws(' · ', CASE WHEN cardinality(board_events.hubs) > 1 THEN p.hub_name END, p.place) AS place,
            e.type, e.subject, concat_ws(', ', e.attrs ->> 'reader', e.attrs ->> 'direction', e.attrs ->> 'layer',
                (e.attrs ->> 'position_m') || ' m', e.attrs ->> 'reason') AS detail
        FROM hubwatch.events e JOIN hubwatch.board_places p ON p.hub = e.hub AND p.sensor = e.sensor
        WHERE e.time BETWEEN board_events.since AND board_events.until AND e.hub = ANY (board_events.hubs)
            AND (board_events.zones IS NULL OR coalesce(p.zone, '–') = ANY (board_events.zones))
            AND (p.kind = ANY (board_events.kinds) OR split_part(e.type, '.', 1) = ANY (board_events.prefixes))
            -- Beyond a bound they are not counted: a long range holds millions.
            ORDER BY e.time DESC LIMIT 2201) n
    )
    SELECT CASE WHEN f.n < 201 THEN f.time END,
        CASE WHEN f.n = 201 THEN CASE WHEN f.every > 2200 THEN 'over 2000' ELSE (f.every - 200)::text END
                || ' more: choose a shorter time range'
            WHEN f.n IS NULL THEN hubwatch.board_calm(board_events.sentence, board_events.hubs, board_events.zones,
                board_events.kinds)
            ELSE f.place END,
        CASE WHEN f.n < 201 THEN f.type END, CASE WHEN f.n < 201 THEN f.subject END, CASE WHEN f.n < 201 THEN f.detail END
    FROM (SELECT) c LEFT JOIN found f ON f.n <= 201
    ORDER BY f.n
$$;

-- Frames that were numbered and are not stored, with what is known of the cause; unexplained ones first.
CREATE FUNCTION hubwatch.board_gaps(hubs text[])
RETURNS TABLE (cause text, agent text, frames bigint, first_seq bigint, last_seq bigint, since timestamptz)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT g.*, row_number() OVER (ORDER BY g.cause <> 'unexplained', g.since DESC) AS n, count(*) OVER () AS every
        FROM hubwatch.ledger_gaps g WHERE g.hub = ANY (board_gaps.hubs)
    )
    SELECT CASE WHEN f.n < 101 THEN f.cause END, CASE
            WHEN f.n = 101 THEN f.every - 100 || ' more: `hubwatch ledger report` shows every gap'
            WHEN f.n IS NOT NULL THEN f.hub || ' · ' || f.agent
            WHEN EXISTS (SELECT FROM hubwatch.agents a WHERE a.hub = ANY (board_gaps.hubs))
                OR NOT EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_gaps.hubs))
            THEN hubwatch.board_stored_calm('Every frame is accounted for', board_gaps.hubs) ELSE 'no agent yet' END,
        CASE WHEN f.n < 101 THEN f.frames END, CASE WHEN f.n < 101 THEN f.first_seq END,
        CASE WHEN f.n < 101 THEN f.last_seq END, CASE WHEN f.n < 101 THEN f.since END
    FROM (SELECT) c LEFT JOIN found f ON f.n <= 101
    ORDER BY f.n
$$;

-- Messages that could not be read, without their payload.
CREATE FUNCTION hubwatch.board_dead_letters(hubs text[], since timestamptz, until timestamptz)
RETURNS TABLE (last_seen timestamptz, agent text, reason text, times bigint, topic text, id bigint)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT l.last_seen, concat_ws(' · ', l.hub, l.agent) AS agent, l.reason, l.count, l.topic, l.id,
            row_number() OVER (ORDER BY l.last_seen DESC, l.id DESC) AS n, count(*) OVER () AS every
        FROM hubwatch.dead_letters l
        WHERE l.last_seen BETWEEN board_dead_letters.since AND board_dead_letters.until
            AND (l.hub IS NULL OR l.hub = ANY (board_dead_letters.hubs))
    )
    SELECT CASE WHEN f.n < 101 THEN f.last_seen END, CASE WHEN f.n < 101 THEN f.agent END,
        CASE WHEN f.n = 101 THEN f.every - 100 || ' more: `hubwatch dead-letters list` shows them'
            ELSE coalesce(f.reason, hubwatch.board_calm('No dead letter', board_dead_letters.hubs)) END,
        CASE WHEN f.n < 101 THEN f.count END, CASE WHEN f.n < 101 THEN f.topic END, CASE WHEN f.n < 101 THEN f.id END
    FROM (SELECT) c LEFT JOIN found f ON f.n <= 101
    ORDER BY f.n
$$;

CREATE INDEX event_command ON hubwatch.event (time DESC)
    WHERE type = ANY ('{command.executed,command.refused,command.failed,command.unknown}');
-- What is drawn over the charts: alarms, commands, changes of the security level; the newest 200.
CREATE FUNCTION hubwatch.board_marks(hubs text[], since timestamptz, until timestamptz)
RETURNS TABLE ("time" timestamptz, text text, tags text)
LANGUAGE sql STABLE AS $$
    SELECT m.* FROM (
        SELECT a.opened, CASE WHEN a.exercise IS NOT NULL THEN 'EXERCISE: ' ELSE '' END || a.type || ' '
            || concat_ws(' · ', a.hub, a.zone, a.sensor), 'alarm'
        FROM hubwatch.alarms a
        WHERE a.hub = ANY (board_marks.hubs) AND a.opened BETWEEN board_marks.since AND board_marks.until
        UNION ALL
        SELECT j.at, 'security level ' || j.former || ' to ' || j.level || ' at ' || j.hub, 'level'
        FROM hubwatch.level_journal j
        WHERE j.hub = ANY (board_marks.hubs) AND j.at BETWEEN board_marks.since AND board_marks.until
        UNION ALL
        SELECT e.time, e.type || ' ' || concat_ws(' · ', e.hub, e.sensor), 'command'
        FROM hubwatch.events e
        WHERE e.hub = ANY (board_marks.hubs) AND e.time BETWEEN board_marks.since AND board_marks.until
            AND e.type = ANY ('{command.executed,command.refused,command.failed,command.unknown}')
    ) m (at, text, tags)
    ORDER BY m.at DESC LIMIT 200
$$;

-- What a person may choose among: every zone of the site, of a sensor and of an open alarm, and always what has none.
CREATE FUNCTION hubwatch.board_zone_names(hubs text[]) RETURNS TABLE (value text, name text)
LANGUAGE sql STABLE AS $$
    SELECT z.zone, coalesce(z.name, z.zone) FROM hubwatch.zones z WHERE z.hub = ANY (board_zone_names.hubs)
    UNION SELECT p.zone, p.zone_name FROM hubwatch.board_places p
        WHERE p.hub = ANY (board_zone_names.hubs) AND p.zone IS NOT NULL
    UNION SELECT a.zone, coalesce(z.name, a.zone) FROM hubwatch.alarms a
        LEFT JOIN hubwatch.zones z ON z.hub = a.hub AND z.zone = a.zone
        WHERE a.hub = ANY (board_zone_names.hubs) AND a.closed IS NULL AND a.zone IS NOT NULL
    UNION SELECT '–', 'no zone'
    ORDER BY 2, 1
$$;
CREATE FUNCTION hubwatch.board_sensor_names(hubs text[], kinds text[]) RETURNS TABLE (value text, name text)
LANGUAGE sql STABLE AS $$
    SELECT DISTINCT p.sensor, p.place FROM hubwatch.board_places p
    WHERE p.hub = ANY (board_sensor_names.hubs)
        AND (board_sensor_names.kinds IS NULL OR p.kind = ANY (board_sensor_names.kinds))
        AND NOT EXISTS (SELECT FROM hubwatch.agents a WHERE a.hub = p.hub AND a.agent = p.sensor)
    ORDER BY 2, 1
$$;
