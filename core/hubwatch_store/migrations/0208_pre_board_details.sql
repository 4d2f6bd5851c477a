-- What the boards of zones, portals, doors, fences, agents, alarms, detectors and regions show.

-- Each zone of a hub: what is seen of it, and what is wrong in it. A zone without a sensor that is seen is BLIND.
CREATE FUNCTION hubwatch.board_zones(hubs text[], zones text[])
RETURNS TABLE (place text, sight text, seen text, alarms bigint, priority smallint, criticality smallint, heard timestamptz,
    zone text)
LANGUAGE sql STABLE AS $$
    WITH sights AS (
        SELECT s.hub, coalesce(s.zone, '–') AS zone, count(*) AS sensors, count(*) FILTER (WHERE s.sight NOT IN ('BLIND')) AS seen,
            count(*) FILTER (WHERE s.sight = 'PARTLY BLIND') AS partly, max(s.heard) AS heard
        FROM hubwatch.board_sights(board_zones.hubs) s GROUP BY 1, 2
    ), wrong AS (
        SELECT a.hub, coalesce(a.zone, '–') AS zone, count(*) AS alarms, min(a.priority) AS priority
        FROM hubwatch.alarms a WHERE a.closed IS NULL AND a.exercise IS NULL AND a.hub = ANY (board_zones.hubs)
            AND a.state IN ('unacknowledged', 'acknowledged', 'returned')
        GROUP BY 1, 2
    ), known AS (
        SELECT z.hub, z.zone FROM hubwatch.zones z WHERE z.hub = ANY (board_zones.hubs)
        UNION SELECT s.hub, s.zone FROM sights s UNION SELECT w.hub, w.zone FROM wrong w
    ), found AS (
        SELECT concat_ws(' · ', CASE WHEN cardinality(board_zones.hubs) > 1 THEN coalesce(h.name, k.hub) END,
                coalesce(z.name, CASE k.zone WHEN '–' THEN 'no zone' ELSE k.zone END)) AS place,
            CASE WHEN s.sensors IS NULL THEN 'without sensor' WHEN s.seen = 0 THEN 'BLIND'
                WHEN s.seen < s.sensors OR s.partly > 0 THEN 'PARTLY BLIND' ELSE 'seen' END AS sight,
            coalesce(s.seen, 0) || ' of ' || coalesce(s.sensors, 0) AS seen, coalesce(w.alarms, 0) AS alarms, w.priority,
            z.criticality, s.heard, k.zone
        FROM known k
        LEFT JOIN hubwatch.hubs h ON h.hub = k.hub
        LEFT JOIN hubwatch.zones z ON z.hub = k.hub AND z.zone = k.zone
        LEFT JOIN sights s ON s.hub = k.hub AND s.zone = k.zone
        LEFT JOIN wrong w ON w.hub = k.hub AND w.zone = k.zone
        WHERE board_zones.zones IS NULL OR k.zone = ANY (board_zones.zones)
    )
    SELECT coalesce(f.place, c.sentence), f.sight, f.seen, f.alarms, f.priority, f.criticality, f.heard, f.zone
    FROM (SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_zones.hubs))
        THEN 'no zone yet' ELSE 'no hub yet' END AS sentence) c
    LEFT JOIN found f ON true
    ORDER BY f.priority, f.sight NOT IN ('BLIND', 'PARTLY BLIND', 'without sensor'), f.place
    LIMIT 300
$$;

-- What stood in the portals: one row for each vehicle, the newest first, of the last six hours of the range at most.
CREATE FUNCTION hubwatch.board_occupancies(hubs text[], sensors text[], since timestamptz, until timestamptz)
RETURNS TABLE (began timestamptz, place text, seconds double precision, gamma double precision, neutron double precision,
    found text)
LANGUAGE sql STABLE AS $$
    WITH states AS (
        SELECT c.hub, c.sensor, c.id, r.bucket AS at, r.max >= 0.5 AS taken,
            lag(r.max >= 0.5) OVER (PARTITION BY c.id ORDER BY r.bucket) AS before
        FROM hubwatch.board_channels c
        CROSS JOIN LATERAL hubwatch.rollup('1 second', c.id,
            greatest(board_occupancies.since, board_occupancies.until - INTERVAL '6 hours'), board_occupancies.until) r
        WHERE c.hub = ANY (board_occupancies.hubs) AND c.kind = 'radiation_portal' AND c.name = 'occupied'
            AND c.sensor = ANY (board_occupancies.sensors) AND r.max IS NOT NULL
    ), edges AS (
        SELECT s.hub, s.sensor, s.at, s.taken, lead(s.at) OVER (PARTITION BY s.id ORDER BY s.at) AS next
        FROM states s WHERE s.taken IS DISTINCT FROM s.before
    ), passed AS (
        SELECT e.hub, e.sensor, e.at, e.next, row_number() OVER (ORDER BY e.at DESC) AS n, count(*) OVER () AS every
        FROM edges e WHERE e.taken
    )
    SELECT CASE WHEN p.n < 101 THEN p.at END,
        CASE WHEN p.n = 101 THEN p.every - 100 || ' more: choose a shorter time range' WHEN p.n IS NULL THEN c.sentence
            ELSE concat_ws(' · ', CASE WHEN cardinality(board_occupancies.hubs) > 1 THEN w.hub_name END, w.place) END,
        CASE WHEN p.n < 101 THEN extract(epoch FROM coalesce(p.next, board_occupancies.until) - p.at)::double precision END,
        CASE WHEN p.n < 101 THEN g.gamma END, CASE WHEN p.n < 101 THEN g.neutron END,
        CASE WHEN p.n < 101 THEN (SELECT concat_ws(', ',
                coalesce(string_agg(DISTINCT d.type, ', ') FILTER (WHERE d.exercise IS NULL), CASE j.works
                    WHEN 'yes' THEN 'no finding' ELSE 'NOT KNOWN: it is not sure that data is judged' END),
                string_agg(DISTINCT 'EXERCISE: ' || d.type, ', ') FILTER (WHERE d.exercise IS NOT NULL))
            FROM hubwatch.detections d
            WHERE d.hub = p.hub AND d.sensor = p.sensor AND d.start BETWEEN p.at - INTERVAL '10 s'
                AND coalesce(p.next, board_occupancies.until) + INTERVAL '10 s') END
    FROM (SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_occupancies.hubs))
            AND EXISTS (SELECT FROM hubwatch.sensors s WHERE s.hub = ANY (board_occupancies.hubs)
                AND s.kind = 'radiation_portal' AND s.gone IS NULL)
            AND NOT EXISTS (SELECT FROM hubwatch.sensors s WHERE s.hub = ANY (board_occupancies.hubs)
                AND s.kind = 'radiation_portal' AND s.gone IS NULL AND s.sensor = ANY (board_occupancies.sensors))
        THEN 'nothing chosen'
        ELSE hubwatch.board_calm('No vehicle', board_occupancies.hubs, NULL, '{radiation_portal}') END AS sentence) c
    LEFT JOIN passed p ON p.n <= 101
    LEFT JOIN hubwatch.board_places w ON w.hub = p.hub AND w.sensor = p.sensor
    LEFT JOIN (
        SELECT h.hub, d.works FROM unnest(board_occupancies.hubs) h (hub)
        CROSS JOIN LATERAL hubwatch.board_duties(ARRAY[h.hub]) d WHERE d.place = 2
    ) j ON j.hub = p.hub
    LEFT JOIN LATERAL (
        SELECT max(r.max) FILTER (WHERE split_part(k.name, '.', 1) = 'gamma') AS gamma,
            max(r.max) FILTER (WHERE split_part(k.name, '.', 1) = 'neutron') AS neutron
        FROM hubwatch.board_channels k CROSS JOIN LATERAL hubwatch.rollup('1 day', k.id, p.at,
            coalesce(p.next, board_occupancies.until)) r
        WHERE k.hub = p.hub AND k.sensor = p.sensor AND split_part(k.name, '.', 1) IN ('gamma', 'neutron') AND p.n < 101
    ) g ON true
    ORDER BY p.n
$$;

-- One figure of each hour of chosen channels: its lowest value, which is the background of a portal, or its mean, which
-- is the share of time in which a state was 1.
CREATE FUNCTION hubwatch.board_hours(hubs text[], sensors text[], names text[], figure text, since timestamptz,
    until timestamptz)
RETURNS TABLE ("time" timestamptz, metric text, value double precision)
LANGUAGE sql STABLE AS $$
    WITH chosen AS (
        SELECT c.hub, c.sensor, c.channel, concat_ws(' ', concat_ws(' · ',
            CASE WHEN cardinality(board_hours.hubs) > 1 THEN p.hub_name END, p.place), c.channel) AS metric
        FROM hubwatch.board_channels c JOIN hubwatch.board_places p ON p.hub = c.hub AND p.sensor = c.sensor
        WHERE c.hub = ANY (board_hours.hubs) AND c.sensor = ANY (board_hours.sensors)
            AND split_part(c.name, '.', 1) = ANY (board_hours.names)
        ORDER BY p.place, c.channel LIMIT 60
    )
    SELECT r.bucket, c.metric, CASE board_hours.figure WHEN 'min' THEN r.min ELSE r.avg END
    FROM chosen c JOIN hubwatch.readings_1h r ON r.hub = c.hub AND r.sensor = c.sensor AND r.channel = c.channel
    WHERE r.bucket BETWEEN board_hours.since AND board_hours.until AND r.max IS NOT NULL
    UNION ALL
    SELECT board_hours.until, CASE WHEN EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_hours.hubs))
        THEN 'no such sensor yet' ELSE 'no hub yet' END, NULL
    WHERE NOT EXISTS (SELECT FROM chosen)
    ORDER BY 1
$$;

-- What people found alarms to be, by day (UTC) of their opening; what nobody has judged is said as such.
CREATE FUNCTION hubwatch.board_verdicts(hubs text[], prefix text, since timestamptz, until timestamptz)
RETURNS TABLE ("time" timestamptz, metric text, value bigint)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT date_trunc('day', a.opened, 'UTC') AS day, coalesce(a.verdict, 'not judged') AS verdict, count(*) AS n
        FROM hubwatch.judged_alarms a
        WHERE a.hub = ANY (board_verdicts.hubs) AND a.opened BETWEEN board_verdicts.since AND board_verdicts.until
            AND starts_with(a.type, board_verdicts.prefix)
        GROUP BY 1, 2
    )
    SELECT f.day, f.verdict, f.n FROM found f
    UNION ALL
    SELECT board_verdicts.until, c.sentence, CASE WHEN starts_with(c.sentence, 'no alarm') THEN 0 END
    FROM (SELECT hubwatch.board_no_alarm('no alarm', board_verdicts.hubs) AS sentence) c
    WHERE NOT EXISTS (SELECT FROM found)
    ORDER BY 1, 2
$$;

-- Events counted by type.
CREATE FUNCTION hubwatch.board_event_counts(hubs text[], zones text[], types text[], since timestamptz,
    until timestamptz, step_ms bigint)
RETURNS TABLE ("time" timestamptz, metric text, value bigint)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT date_bin(greatest(board_event_counts.step_ms, 1000) * INTERVAL '1 ms', e.time, 'epoch') AS at, e.type,
            count(*) AS n
        FROM hubwatch.events e LEFT JOIN hubwatch.sensors s ON s.hub = e.hub AND s.sensor = e.sensor
        WHERE e.hub = ANY (board_event_counts.hubs)
            AND (board_event_counts.zones IS NULL OR coalesce(s.zone, '–') = ANY (board_event_counts.zones))
            AND e.type = ANY (board_event_counts.types)
            AND e.time BETWEEN board_event_counts.since AND board_event_counts.until
        GROUP BY 1, 2
    )
    SELECT f.at, f.type, f.n FROM found f
    UNION ALL
    SELECT board_event_counts.until, c.sentence, CASE WHEN starts_with(c.sentence, 'no event') THEN 0 END
    FROM (SELECT hubwatch.board_calm('no event', board_event_counts.hubs, board_event_counts.zones, NULL) AS sentence) c
    WHERE NOT EXISTS (SELECT FROM found)
    ORDER BY 1, 2
$$;

-- People with badges of whom something was found, by pseudonym.
CREATE FUNCTION hubwatch.board_subjects(hubs text[], zones text[], prefix text, since timestamptz, until timestamptz)
RETURNS TABLE (priority smallint, subject text, what text, times bigint, last timestamptz, place text)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT min(d.priority) AS priority, d.subject, string_agg(DISTINCT d.type, ', ') AS what, count(*) AS times,
            max(d.start) AS last, (array_agg(coalesce(p.place, d.sensor) ORDER BY d.start DESC))[1] AS place
        FROM hubwatch.detections d LEFT JOIN hubwatch.board_places p ON p.hub = d.hub AND p.sensor = d.sensor
        WHERE d.hub = ANY (board_subjects.hubs) AND d.subject <> '' AND d.exercise IS NULL
            AND starts_with(d.type, board_subjects.prefix)
            AND (board_subjects.zones IS NULL OR coalesce(p.zone, '–') = ANY (board_subjects.zones))
            AND d.start BETWEEN board_subjects.since AND board_subjects.until
        GROUP BY d.subject ORDER BY 1, 5 DESC LIMIT 100
    )
    SELECT f.priority, coalesce(f.subject, hubwatch.board_no_alarm('Nobody is unusual', board_subjects.hubs, board_subjects.zones)), f.what, f.times,
        f.last, f.place
    FROM (SELECT) c LEFT JOIN found f ON true
    ORDER BY f.priority, f.last DESC
$$;

-- The sections of the fences in order, with what is seen of each, what is open and what it came to in the last day.
CREATE FUNCTION hubwatch.board_sections(hubs text[])
RETURNS TABLE (fence text, stretch text, place text, sight text, alarms bigint, findings bigint, nuisances bigint,
    last timestamptz)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT f.hub, f.fence, f.section, f.from_m, f.to_m, s.place, s.sight,
            (SELECT count(*) FROM hubwatch.alarms a WHERE a.hub = f.hub AND a.sensor = f.sensor AND a.closed IS NULL
                AND a.exercise IS NULL) AS alarms, d.n, d.nuisances, d.last
        FROM hubwatch.fence_sections f
        LEFT JOIN hubwatch.board_sights(board_sections.hubs) s ON s.hub = f.hub AND s.sensor = f.sensor
        LEFT JOIN (
            SELECT d.hub, d.sensor, count(*) AS n, count(*) FILTER (WHERE d.type = 'perimeter.nuisance') AS nuisances,
                max(d.start) AS last
            FROM hubwatch.detections d
            WHERE d.hub = ANY (board_sections.hubs) AND d.start > now() - INTERVAL '24 hours' AND d.exercise IS NULL
            GROUP BY 1, 2
        ) d ON d.hub = f.hub AND d.sensor = f.sensor
        WHERE f.hub = ANY (board_sections.hubs)
    )
    SELECT CASE WHEN f.hub IS NOT NULL THEN f.hub || ' fence ' || f.fence END, round(f.from_m::numeric) || '–'
            || round(f.to_m::numeric) || ' m', CASE WHEN f.hub IS NULL THEN c.sentence ELSE coalesce(f.place, 'not installed') END,
        CASE WHEN f.hub IS NOT NULL THEN coalesce(f.sight, 'BLIND') END, f.alarms,
        CASE WHEN f.hub IS NOT NULL THEN coalesce(f.n, 0) END, CASE WHEN f.hub IS NOT NULL THEN coalesce(f.nuisances, 0) END,
        f.last
    FROM (SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_sections.hubs))
        THEN 'no fence in the site' ELSE 'no hub yet' END AS sentence) c
    LEFT JOIN found f ON true
    ORDER BY f.hub, f.fence, f.section LIMIT 300
$$;

-- Agents with what they say of themselves, and how long their frames took in the last ten minutes.
CREATE FUNCTION hubwatch.board_agents(hubs text[])
RETURNS TABLE (agent text, state text, heard timestamptz, latency_p95_s double precision, frames bigint,
    spool_frames double precision, clock_offset_ms double precision, sensors bigint, missing bigint, software text)
LANGUAGE sql STABLE AS $$
    WITH frames AS (
        SELECT f.hub, f.agent, count(*) AS n, percentile_cont(0.95) WITHIN GROUP (
            ORDER BY extract(epoch FROM f.committed - f.sent)::double precision) FILTER (WHERE NOT f.late) AS p95
        FROM hubwatch.frames f
        WHERE f.committed > now() - INTERVAL '10 minutes' AND f.hub = ANY (board_agents.hubs) GROUP BY 1, 2
    ), own AS (
        SELECT c.hub, c.sensor, max(c.value) FILTER (WHERE c.name = 'spool_frames') AS spool,
            max(c.value) FILTER (WHERE c.name = 'clock_offset') AS clock
        FROM hubwatch.board_channels c
        WHERE c.hub = ANY (board_agents.hubs) AND c.name IN ('spool_frames', 'clock_offset') GROUP BY 1, 2
    ), gaps AS (
        SELECT g.hub, g.agent, sum(g.frames)::bigint AS missing FROM hubwatch.ledger_gaps g
        WHERE g.hub = ANY (board_agents.hubs) GROUP BY 1, 2
    ), found AS (
        SELECT a.hub, concat_ws(' · ', CASE WHEN cardinality(board_agents.hubs) > 1 THEN a.hub END, a.agent) AS agent,
            CASE WHEN a.state = 'offline' THEN 'OFFLINE'
                WHEN coalesce(a.heard BETWEEN now() - INTERVAL '30 s' AND now() + INTERVAL '30 s', false) THEN 'heard'
                ELSE 'SILENT' END AS state, a.heard, f.p95, f.n, o.spool, o.clock,
            (SELECT count(*) FROM hubwatch.sensors s WHERE s.hub = a.hub AND s.agent = a.agent AND s.gone IS NULL) AS sensors,
            coalesce(g.missing, 0) AS missing, a.software
        FROM hubwatch.agents a
        LEFT JOIN frames f ON f.hub = a.hub AND f.agent = a.agent
        LEFT JOIN own o ON o.hub = a.hub AND o.sensor = a.agent
        LEFT JOIN gaps g ON g.hub = a.hub AND g.agent = a.agent
        WHERE a.gone IS NULL AND a.hub = ANY (board_agents.hubs)
    )
    SELECT coalesce(f.agent, c.sentence), f.state, f.heard, f.p95, f.n, f.spool, f.clock, f.sensors, f.missing, f.software
    FROM (SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_agents.hubs))
        THEN 'no agent yet' ELSE 'no hub yet' END AS sentence) c
    LEFT JOIN found f ON true
    ORDER BY f.state = 'heard', f.agent LIMIT 300
$$;

-- The figures of IEC 62682 and EEMUA 191 over the last 24 hours, each beside what is still manageable.
CREATE FUNCTION hubwatch.board_figures(hubs text[])
RETURNS TABLE (figure text, value text, bound text, judgement text, hub text)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(f.figure, c.sentence), f.value, f.bound,
        CASE WHEN f.figure IS NOT NULL THEN CASE WHEN f.within IS NULL THEN 'not judged' WHEN f.within THEN 'within'
            ELSE 'OVER' END END, f.hub
    FROM (SELECT 'no hub yet' AS sentence) c
    LEFT JOIN (
        SELECT a.hub, v.* FROM hubwatch.alarm_figures a
        CROSS JOIN LATERAL (VALUES
            (1, 'alarms an hour', round(a.per_hour, 1)::text, 'at most 6', a.per_hour <= 6),
            (2, 'time in a flood', round(a.flood_share * 100, 1) || ' %', 'under 1 %', a.flood_share < 0.01),
            (3, 'share of the ten most frequent', round(a.top_10_share * 100) || ' %', 'information', NULL),
            (4, 'stale: open for a day', a.stale::text, 'under 5', a.stale < 5),
            (5, 'chattering', a.chattering::text, 'none', a.chattering = 0),
            (6, 'shelved', a.shelved::text, 'under 30', a.shelved < 30),
            (7, 'suppressed or out of service', a.suppressed::text, 'information', NULL),
            (8, 'acknowledged within, median', round(a.acknowledged_p50_s::numeric) || ' s', 'under 600 s',
                a.acknowledged_p50_s < 600),
            (9, 'acknowledged within, 95 %', round(a.acknowledged_p95_s::numeric) || ' s', 'information', NULL)
        ) v (n, figure, value, bound, within)
        WHERE a.hub = ANY (board_figures.hubs)
    ) f ON true
    ORDER BY f.hub, f.n LIMIT 300
$$;

-- Alarms presented to people in each ten minutes or longer; more than ten in ten minutes is a flood.
CREATE FUNCTION hubwatch.board_alarm_rate(hubs text[], since timestamptz, until timestamptz, step_ms bigint)
RETURNS TABLE ("time" timestamptz, metric text, value double precision)
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT date_bin(greatest(board_alarm_rate.step_ms, 600000) * INTERVAL '1 ms', p.at, 'epoch') AS at, p.hub,
            count(*) * 600000.0 / greatest(board_alarm_rate.step_ms, 600000) AS n
        FROM hubwatch.alarm_presented p
        WHERE p.hub = ANY (board_alarm_rate.hubs) AND p.at BETWEEN board_alarm_rate.since AND board_alarm_rate.until
        GROUP BY 1, 2
    )
    SELECT f.at, f.hub, f.n::double precision FROM found f
    UNION ALL
    SELECT board_alarm_rate.until, CASE WHEN h.hub IS NULL THEN 'no hub yet' WHEN d.doubt THEN h.hub || ' – NOT KNOWN'
        ELSE h.hub END, CASE WHEN NOT d.doubt THEN 0 END
    FROM (SELECT) c LEFT JOIN hubwatch.hubs h ON h.hub = ANY (board_alarm_rate.hubs)
    LEFT JOIN LATERAL (SELECT bool_or(d.works = 'NOT SURE') AS doubt FROM hubwatch.board_duties(ARRAY[h.hub]) d) d ON true
    WHERE h.hub IS NULL OR NOT EXISTS (SELECT FROM found f WHERE f.hub = h.hub)
    ORDER BY 1
$$;

-- Which alarms came up most, and which chatter.
CREATE FUNCTION hubwatch.board_frequent(hubs text[], since timestamptz, until timestamptz)
RETURNS TABLE (place text, what text, presented bigint, share double precision, within_minute bigint)
LANGUAGE sql STABLE AS $$
    WITH counted AS (
        SELECT p.hub, p.sensor, p.type, count(*) AS n, sum(count(*)) OVER () AS every
        FROM hubwatch.alarm_presented p
        WHERE p.hub = ANY (board_frequent.hubs) AND p.at BETWEEN board_frequent.since AND board_frequent.until
        GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT 20
    )
    SELECT CASE WHEN f.hub IS NULL THEN hubwatch.board_no_alarm('No alarm was presented', board_frequent.hubs) ELSE
            concat_ws(' · ', CASE WHEN cardinality(board_frequent.hubs) > 1 THEN f.hub END, coalesce(w.place, f.sensor)) END,
        f.type, f.n, (f.n / f.every)::double precision,
        k.within_minute
    FROM (SELECT) c LEFT JOIN counted f ON true
    LEFT JOIN hubwatch.board_places w ON w.hub = f.hub AND w.sensor = f.sensor
    LEFT JOIN (
        SELECT c.hub, c.sensor, c.type, max(c.within_minute) AS within_minute
        FROM hubwatch.alarm_chattering c WHERE c.hub = ANY (board_frequent.hubs) GROUP BY 1, 2, 3
    ) k ON k.hub = f.hub AND k.sensor = f.sensor AND k.type = f.type
    ORDER BY f.n DESC, 1
$$;

-- The bounds of a Poisson count, 95 % two-sided, within 1 %: by the approximation of Wilson and Hilferty, whose lower
-- bound is poor under 5.
CREATE FUNCTION hubwatch.board_poisson_low(n double precision) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN n < 5 THEN (ARRAY[0, 0.025318, 0.242209, 0.618672, 1.089865])[round(n)::integer + 1]
        ELSE n * (1 - 1 / (9 * n) - 1.959964 / (3 * sqrt(n))) ^ 3 END
$$;
CREATE FUNCTION hubwatch.board_poisson_high(n double precision) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT (n + 1) * (1 - 1 / (9 * (n + 1)) + 1.959964 / (3 * sqrt(n + 1))) ^ 3
$$;

-- What the alarms of each detector came to, as a rate over the watched days, beside what the hub's budget allows it.
-- Alarms that nobody has judged may all have been false: the upper bound counts them.
CREATE FUNCTION hubwatch.board_detectors(hubs text[], since timestamptz, until timestamptz)
RETURNS TABLE (detector text, what text, alarms bigint, judged bigint, falsely bigint, a_day double precision,
    low double precision, high double precision, allowed double precision, judgement text, watched_days double precision,
    hub text)
LANGUAGE sql STABLE AS $$
    WITH watched AS (
        SELECT w.hub, sum(w.watched_s) / 86400 AS days FROM hubwatch.watched_days w
        WHERE w.hub = ANY (board_detectors.hubs) AND w.day BETWEEN (board_detectors.since AT TIME ZONE 'UTC')::date
            AND (board_detectors.until AT TIME ZONE 'UTC')::date
        GROUP BY 1
    ), counted AS (
        SELECT a.hub, a.detector, a.type, count(*) AS alarms, count(a.verdict) AS judged,
            count(*) FILTER (WHERE a.verdict = 'false') AS falsely
        FROM hubwatch.judged_alarms a
        WHERE a.hub = ANY (board_detectors.hubs) AND a.detector IS NOT NULL
            AND a.opened BETWEEN date_trunc('day', board_detectors.since, 'UTC') AND board_detectors.until
        GROUP BY 1, 2, 3
    ), found AS (
        SELECT c.*, w.days, c.falsely / w.days AS a_day, hubwatch.board_poisson_low(c.falsely) / w.days AS low,
            hubwatch.board_poisson_high(c.falsely + c.alarms - c.judged) / w.days AS high, b.allowed
        FROM counted c LEFT JOIN watched w ON w.hub = c.hub AND w.days > 0
        LEFT JOIN LATERAL (
            SELECT (d.evidence #>> '{false_alarm_budget,share_per_day}')::double precision AS allowed
            FROM hubwatch.detections d
            WHERE d.hub = c.hub AND d.type = c.type AND d.detector = c.detector
                AND d.start BETWEEN board_detectors.since AND board_detectors.until
                AND jsonb_typeof(d.evidence #> '{false_alarm_budget,share_per_day}') = 'number'
            ORDER BY d.start DESC LIMIT 1
        ) b ON true
    )
    SELECT coalesce(f.detector, hubwatch.board_no_alarm('No detector made an alarm', board_detectors.hubs)), f.type, f.alarms,
        f.judged, f.falsely, f.a_day, f.low, f.high, f.allowed,
        CASE WHEN f.detector IS NULL THEN NULL WHEN f.days IS NULL THEN 'NOT WATCHED' WHEN f.allowed IS NULL THEN 'no budget'
            WHEN f.low > f.allowed THEN 'OVER' WHEN f.high <= f.allowed THEN 'within' ELSE 'not enough days' END,
        f.days, f.hub
    FROM (SELECT) c LEFT JOIN found f ON true
    ORDER BY f.a_day DESC NULLS LAST, f.hub, f.detector, f.type LIMIT 200
$$;

-- Hubs side by side, the worst first.
CREATE FUNCTION hubwatch.board_hubs(hubs text[])
RETURNS TABLE (place text, works text, level smallint, blind text, blind_share double precision, alarms bigint, priority smallint,
    agents_offline bigint, heard timestamptz, doubt text, hub text)
LANGUAGE sql STABLE AS $$
    WITH sights AS (
        SELECT s.hub, count(*) AS sensors, count(*) FILTER (WHERE s.sight IN ('BLIND', 'PARTLY BLIND')) AS blind
        FROM hubwatch.board_sights(board_hubs.hubs) s GROUP BY 1
    ), wrong AS (
        SELECT a.hub, count(*) AS alarms, min(a.priority) AS priority FROM hubwatch.alarms a
        WHERE a.closed IS NULL AND a.exercise IS NULL AND a.hub = ANY (board_hubs.hubs)
            AND a.state IN ('unacknowledged', 'returned') GROUP BY 1
    ), found AS (
        SELECT h.hub, coalesce(h.name, h.hub) AS place, h.security_level, s.sensors, s.blind, coalesce(w.alarms, 0) AS alarms,
            w.priority, d.doubt, (SELECT max(a.heard) FROM hubwatch.agents a WHERE a.hub = h.hub) AS heard,
            (SELECT count(*) FROM hubwatch.agents a WHERE a.hub = h.hub AND a.gone IS NULL AND (a.state = 'offline'
                OR NOT coalesce(a.heard BETWEEN now() - INTERVAL '30 s' AND now() + INTERVAL '30 s', false))) AS offline
        FROM hubwatch.hubs h
        LEFT JOIN sights s ON s.hub = h.hub
        LEFT JOIN wrong w ON w.hub = h.hub
        CROSS JOIN LATERAL (SELECT string_agg(d.duty, ', ' ORDER BY d.place) AS doubt
            FROM hubwatch.board_duties(ARRAY[h.hub]) d WHERE d.works = 'NOT SURE') d
        WHERE h.hub = ANY (board_hubs.hubs)
    )
    SELECT coalesce(f.place, 'no hub yet'), CASE WHEN f.hub IS NOT NULL THEN CASE WHEN f.doubt IS NULL THEN 'yes' ELSE 'NOT SURE' END END,
        f.security_level, CASE WHEN f.hub IS NOT NULL THEN CASE WHEN f.sensors IS NULL THEN 'without sensor'
            WHEN f.blind = f.sensors THEN 'BLIND' ELSE f.blind || ' of ' || f.sensors END END,
        f.blind::double precision / f.sensors, f.alarms, f.priority, f.offline, f.heard, f.doubt, f.hub
    FROM (SELECT) c LEFT JOIN found f ON true
    ORDER BY f.doubt IS NULL, f.priority, f.blind::double precision / f.sensors DESC NULLS FIRST, f.place LIMIT 200
$$;
