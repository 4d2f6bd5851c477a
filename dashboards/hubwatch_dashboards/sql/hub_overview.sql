-- hubs: the hubs a person may choose among
SELECT hub FROM hubwatch.hubs ORDER BY hub

-- open_alarms: Every alarm that is not closed, the most urgent first, and among those the ones nobody has taken.
WITH calm AS (
    SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[]))
        THEN 'No open alarm' || to_char(now() AT TIME ZONE 'UTC', '", as of "HH24:MI:SS" UTC"')
        ELSE 'no hub yet' END AS sentence
)
SELECT a.priority AS "Priority", coalesce(CASE WHEN a.exercise IS NOT NULL THEN 'EXERCISE: ' ELSE '' END || a.type, c.sentence) AS "What",
    concat_ws(' / ', a.hub, a.zone, a.sensor) AS "Where", a.subject AS "Subject", a.opened AS "Since", a.state AS "State",
    a.acknowledged_by AS "Taken by", CASE
        WHEN a.id IS NULL OR a.state NOT IN ('unacknowledged', 'returned') THEN NULL
        WHEN t.untold_since NOT BETWEEN now() - INTERVAL '60 seconds' AND now() + INTERVAL '60 seconds' THEN 'nobody'
        WHEN t.untold_since IS NULL AND t.told IS NULL THEN 'unrouted'
        WHEN t.untold_since IS NULL THEN 'told' ELSE 'sending' END AS "Told",
    a.detections AS "Times", a.why AS "Why", a.id AS "Alarm"
FROM calm c
LEFT JOIN hubwatch.alarms a ON a.closed IS NULL AND a.hub = ANY(ARRAY[${hub:sqlstring}]::text[])
LEFT JOIN hubwatch.alarm_telling t ON t.alarm = a.id
ORDER BY a.exercise IS NOT NULL, a.priority, a.state NOT IN ('unacknowledged', 'returned'), a.opened

-- blind: What cannot be seen right now. Sensors that an agent lists whose newest reading is too old or bad, and agents that are offline.
WITH chosen AS (
    SELECT hub FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])
), calm AS (
    SELECT CASE WHEN EXISTS (SELECT FROM chosen)
        THEN 'Everything is seen' || to_char(now() AT TIME ZONE 'UTC', '", as of "HH24:MI:SS" UTC"')
        ELSE 'no hub yet' END AS sentence
), channel AS (
    SELECT hub, sensor, channel, s.zone, l.time, CASE
        WHEN l.time IS NULL THEN 'never heard'
        WHEN l.age_s < 0 THEN 'time of the future'
        WHEN l.age_s > s.max_age_s THEN 'silent'
        ELSE concat_ws(': ', 'bad', l.reason) END AS cause
    FROM hubwatch.sensors s
    JOIN hubwatch.channels c USING (hub, sensor)
    LEFT JOIN hubwatch.latest l USING (hub, sensor, channel)
    WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])
        AND s.gone IS NULL AND c.gone IS NULL AND c.valid_to IS NULL AND c.source IS NULL
        AND (l.quality = 2 OR l.age_s < 0 OR l.age_s > s.max_age_s OR (l.time IS NULL AND s.max_age_s IS NOT NULL))
), blind AS (
    SELECT concat_ws(' / ', hub, agent) AS what, 'agent offline' AS why, NULL AS channels, last_frame AS heard
    FROM hubwatch.agents
    WHERE state = 'offline' AND gone IS NULL AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
    UNION ALL
    SELECT concat_ws(' / ', hub, zone, sensor), cause, string_agg(channel, ', ' ORDER BY channel), max(time)
    FROM channel
    GROUP BY hub, zone, sensor, cause
    UNION ALL
    SELECT hub, 'no sensor yet', NULL, NULL
    FROM chosen
    WHERE NOT EXISTS (SELECT FROM hubwatch.sensors s WHERE s.hub = chosen.hub)
)
SELECT b.what AS "Blind", coalesce(b.why, c.sentence) AS "Why", b.channels AS "Channels", b.heard AS "Last heard"
FROM calm c LEFT JOIN blind b ON true
ORDER BY "Why", "Blind"

-- suppressed: All that nobody is told of: alarms that are set aside, and works, outages and maintenance that are expected, each with who, why and until when.
WITH calm AS (
    SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[]))
        THEN 'Nothing is set aside' || to_char(now() AT TIME ZONE 'UTC', '", as of "HH24:MI:SS" UTC"')
        ELSE 'no hub yet' END AS sentence
)
SELECT s.priority AS "Priority", coalesce(s.kind || CASE WHEN s.since > now() THEN ' (to come)' ELSE '' END, c.sentence) AS "Set aside",
    concat_ws(' / ', s.hub, s.zone, s.sensor) AS "Where",
    CASE WHEN cardinality(s.types) > 0 THEN array_to_string(s.types, ', ') WHEN s.id IS NOT NULL THEN 'all types' END AS "What",
    s.since AS "Since", s.until AS "Until", s.by AS "By", s.agreed_by AS "Agreed by", s.reason AS "Why",
    CASE WHEN s.what = 'alarm' THEN s.id END AS "Alarm"
FROM calm c
LEFT JOIN hubwatch.suppressed s ON s.hub = ANY(ARRAY[${hub:sqlstring}]::text[])
ORDER BY s.priority, s.until, s.hub, s.id

-- alarms_waiting: Alarms that nobody has acknowledged.
SELECT CASE
    WHEN count(*) > 0 OR EXISTS (SELECT FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])) THEN count(*)
    END AS "Alarms waiting",
    to_char(now() AT TIME ZONE 'UTC', '"as of "HH24:MI:SS" UTC"') AS "As of"
FROM hubwatch.alarms
WHERE exercise IS NULL AND state IN ('unacknowledged', 'returned') AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])

-- sensors_blind: Sensors of which at least one channel is too old or bad.
SELECT CASE
    WHEN EXISTS (SELECT FROM hubwatch.sensors WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[]))
    THEN count(DISTINCT (hub, sensor)) END AS "Sensors blind",
    to_char(now() AT TIME ZONE 'UTC', '"as of "HH24:MI:SS" UTC"') AS "As of"
FROM hubwatch.sensors s
JOIN hubwatch.channels c USING (hub, sensor)
LEFT JOIN hubwatch.latest l USING (hub, sensor, channel)
WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])
    AND s.gone IS NULL AND c.gone IS NULL AND c.valid_to IS NULL AND c.source IS NULL
    AND (l.quality = 2 OR l.age_s < 0 OR l.age_s > s.max_age_s OR (l.time IS NULL AND s.max_age_s IS NOT NULL))

-- agents_offline: Agents whose last will the broker has sent: everything behind them is unseen.
SELECT CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE state = 'offline') END AS "Agents offline",
    to_char(now() AT TIME ZONE 'UTC', '"as of "HH24:MI:SS" UTC"') AS "As of"
FROM hubwatch.agents
WHERE gone IS NULL AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])

-- frames_unexplained: Frames that were numbered by an agent, never arrived, and that nothing accounts for.
SELECT CASE
    WHEN EXISTS (SELECT FROM hubwatch.agents WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[]))
    THEN coalesce(sum(frames), 0)::bigint END AS "Frames unexplained",
    to_char(now() AT TIME ZONE 'UTC', '"as of "HH24:MI:SS" UTC"') AS "As of"
FROM hubwatch.ledger_gaps
WHERE cause = 'unexplained' AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])

-- dead_letters_now: Messages in the time range that could not be read and were set aside whole.
SELECT CASE
    WHEN count(*) > 0 OR EXISTS (SELECT FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])) THEN count(*)
    END AS "Dead letters",
    to_char(now() AT TIME ZONE 'UTC', '"as of "HH24:MI:SS" UTC"') AS "As of"
FROM hubwatch.dead_letters
WHERE $__timeFilter(last_seen) AND (hub IS NULL OR hub = ANY(ARRAY[${hub:sqlstring}]::text[]))

-- readings_now: Readings stored a second, over the last minute.
SELECT CASE
    WHEN EXISTS (SELECT FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[]))
    THEN coalesce(sum(readings), 0) / 60.0 END AS "Readings/s",
    to_char(now() AT TIME ZONE 'UTC', '"as of "HH24:MI:SS" UTC"') AS "As of"
FROM hubwatch.frames
WHERE committed BETWEEN now() - INTERVAL '60 seconds' AND now() AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])

-- detections: What the detectors found, by kind.
WITH found AS (
    SELECT $__timeGroup(start, $__interval, 0) AS "time",
        CASE WHEN exercise IS NOT NULL THEN 'EXERCISE: ' ELSE '' END || type AS metric, count(*) AS value
    FROM hubwatch.detections
    WHERE $__timeFilter(start) AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
    GROUP BY 1, 2
), chosen AS (
    SELECT hub FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])
), range AS (
    SELECT $__timeTo()::timestamptz AS until
)
SELECT "time", metric, value FROM found
UNION ALL
SELECT $__timeGroup(until, $__interval, 0),
    CASE WHEN EXISTS (SELECT FROM chosen) THEN 'no detection' ELSE 'no hub yet' END,
    CASE WHEN EXISTS (SELECT FROM chosen) THEN 0 END
FROM range
WHERE NOT EXISTS (SELECT FROM found)
ORDER BY 1

-- readings_rate: Readings stored a second, as the ledger counts them. A backlog after an outage shows as a peak.
WITH stored AS (
    SELECT $__timeGroup(committed, $__interval, 0) AS "time", hub AS metric,
        sum(readings) / greatest($__interval_ms / 1000.0, 1) AS value
    FROM hubwatch.frames
    WHERE $__timeFilter(committed) AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
    GROUP BY 1, 2
), chosen AS (
    SELECT hub FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])
), range AS (
    SELECT $__timeTo()::timestamptz AS until
)
SELECT "time", metric, value FROM stored
UNION ALL
SELECT $__timeGroup(until, $__interval, 0), hub, 0
FROM range CROSS JOIN chosen
WHERE NOT EXISTS (SELECT FROM stored WHERE metric = hub)
UNION ALL
SELECT $__timeGroup(until, $__interval, 0), 'no hub yet', NULL
FROM range
WHERE NOT EXISTS (SELECT FROM chosen)
ORDER BY 1

-- portal_gamma: Gamma counts a sample of each panel, highest in each interval. The line breaks where nothing was read.
SELECT $__timeGroup(r.bucket, $__interval, NULL) AS "time", concat_ws(' ', hub, sensor, channel) AS metric, max(r.max) AS value
FROM hubwatch.sensors s JOIN hubwatch.channels c USING (hub, sensor)
    -- Channel by channel: the view would hand on every reading with its names, for each to be grouped by them.
    CROSS JOIN LATERAL hubwatch.rollup($__interval_ms * INTERVAL '1 ms', c.id, $__timeFrom()::timestamptz,
        $__timeTo()::timestamptz) r
WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '1 hour'
    AND hub = ANY(ARRAY[${hub:sqlstring}]::text[]) AND s.kind = 'radiation_portal' AND c.channel LIKE 'gamma.%'
    AND r.max IS NOT NULL
GROUP BY 1, 2
UNION ALL
SELECT $__timeGroup(step, $__interval, NULL), concat_ws(' ', hub, sensor, channel), max(max)
FROM (
    -- A minute is drawn over all of its intervals: between single points there would be no line.
    SELECT hub, sensor, channel, max,
        generate_series(bucket, bucket + INTERVAL '59999 ms', $__interval_ms * INTERVAL '1 ms') AS step
    FROM hubwatch.readings_1m
    WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '1 hour' AND $__interval_ms < 3600000
        AND $__timeFilter(bucket) AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
        AND channel = ANY(ARRAY(
            SELECT DISTINCT channel FROM hubwatch.channels WHERE channel LIKE 'gamma.%' AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])))
) AS minutes JOIN hubwatch.sensors s USING (hub, sensor)
WHERE s.kind = 'radiation_portal'
GROUP BY 1, 2
UNION ALL
SELECT $__timeGroup(bucket, $__interval, NULL), concat_ws(' ', hub, sensor, channel), max(max)
FROM hubwatch.readings_1h JOIN hubwatch.sensors s USING (hub, sensor)
WHERE $__interval_ms >= 3600000 AND $__timeFilter(bucket) AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
    AND s.kind = 'radiation_portal'
    AND channel = ANY(ARRAY(
        SELECT DISTINCT channel FROM hubwatch.channels WHERE channel LIKE 'gamma.%' AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])))
GROUP BY 1, 2
UNION ALL
SELECT $__timeGroup(until, $__interval, NULL), CASE
    WHEN EXISTS (SELECT FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])) THEN 'no portal yet'
    ELSE 'no hub yet' END, NULL
FROM (SELECT $__timeTo()::timestamptz AS until) AS range
WHERE NOT EXISTS (
    SELECT FROM hubwatch.sensors WHERE kind = 'radiation_portal' AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
)
ORDER BY 1

-- portal_neutron: Neutron counts a sample of each panel, highest in each interval. The line breaks where nothing was read.
SELECT $__timeGroup(r.bucket, $__interval, NULL) AS "time", concat_ws(' ', hub, sensor, channel) AS metric, max(r.max) AS value
FROM hubwatch.sensors s JOIN hubwatch.channels c USING (hub, sensor)
    -- Channel by channel: the view would hand on every reading with its names, for each to be grouped by them.
    CROSS JOIN LATERAL hubwatch.rollup($__interval_ms * INTERVAL '1 ms', c.id, $__timeFrom()::timestamptz,
        $__timeTo()::timestamptz) r
WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '1 hour'
    AND hub = ANY(ARRAY[${hub:sqlstring}]::text[]) AND s.kind = 'radiation_portal' AND c.channel LIKE 'neutron.%'
    AND r.max IS NOT NULL
GROUP BY 1, 2
UNION ALL
SELECT $__timeGroup(step, $__interval, NULL), concat_ws(' ', hub, sensor, channel), max(max)
FROM (
    -- A minute is drawn over all of its intervals: between single points there would be no line.
    SELECT hub, sensor, channel, max,
        generate_series(bucket, bucket + INTERVAL '59999 ms', $__interval_ms * INTERVAL '1 ms') AS step
    FROM hubwatch.readings_1m
    WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '1 hour' AND $__interval_ms < 3600000
        AND $__timeFilter(bucket) AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
        AND channel = ANY(ARRAY(
            SELECT DISTINCT channel FROM hubwatch.channels WHERE channel LIKE 'neutron.%' AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])))
) AS minutes JOIN hubwatch.sensors s USING (hub, sensor)
WHERE s.kind = 'radiation_portal'
GROUP BY 1, 2
UNION ALL
SELECT $__timeGroup(bucket, $__interval, NULL), concat_ws(' ', hub, sensor, channel), max(max)
FROM hubwatch.readings_1h JOIN hubwatch.sensors s USING (hub, sensor)
WHERE $__interval_ms >= 3600000 AND $__timeFilter(bucket) AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
    AND s.kind = 'radiation_portal'
    AND channel = ANY(ARRAY(
        SELECT DISTINCT channel FROM hubwatch.channels WHERE channel LIKE 'neutron.%' AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])))
GROUP BY 1, 2
UNION ALL
SELECT $__timeGroup(until, $__interval, NULL), CASE
    WHEN EXISTS (SELECT FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])) THEN 'no portal yet'
    ELSE 'no hub yet' END, NULL
FROM (SELECT $__timeTo()::timestamptz AS until) AS range
WHERE NOT EXISTS (
    SELECT FROM hubwatch.sensors WHERE kind = 'radiation_portal' AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
)
ORDER BY 1

-- portal_occupied: Whether something stood in the portal.
SELECT "time", concat_ws(' ', hub, sensor, channel) AS metric, value
FROM (
    SELECT $__timeGroup(time, $__interval, NULL) AS "time", hub, sensor, channel, max(value) AS value
    FROM hubwatch.readings
    WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '1 hour'
        AND $__timeFilter(time) AND hub = ANY(ARRAY[${hub:sqlstring}]::text[]) AND quality < 2
        AND channel = ANY(ARRAY(
            SELECT DISTINCT channel FROM hubwatch.channels WHERE split_part(channel, '#', 1) = 'occupied' AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])))
    GROUP BY 1, 2, 3, 4
) AS read JOIN hubwatch.sensors s USING (hub, sensor)
WHERE s.kind = 'radiation_portal'
UNION ALL
SELECT $__timeGroup(step, $__interval, NULL), concat_ws(' ', hub, sensor, channel), max(max)
FROM (
    -- A minute is drawn over all of its intervals: between single points there would be no line.
    SELECT hub, sensor, channel, max,
        generate_series(bucket, bucket + INTERVAL '59999 ms', $__interval_ms * INTERVAL '1 ms') AS step
    FROM hubwatch.readings_1m
    WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '1 hour' AND $__interval_ms < 3600000
        AND $__timeFilter(bucket) AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
        AND channel = ANY(ARRAY(
            SELECT DISTINCT channel FROM hubwatch.channels WHERE split_part(channel, '#', 1) = 'occupied' AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])))
) AS minutes JOIN hubwatch.sensors s USING (hub, sensor)
WHERE s.kind = 'radiation_portal'
GROUP BY 1, 2
UNION ALL
SELECT $__timeGroup(bucket, $__interval, NULL), concat_ws(' ', hub, sensor, channel), max(max)
FROM hubwatch.readings_1h JOIN hubwatch.sensors s USING (hub, sensor)
WHERE $__interval_ms >= 3600000 AND $__timeFilter(bucket) AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
    AND s.kind = 'radiation_portal'
    AND channel = ANY(ARRAY(
        SELECT DISTINCT channel FROM hubwatch.channels WHERE split_part(channel, '#', 1) = 'occupied' AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])))
GROUP BY 1, 2
ORDER BY 1

-- doors: What happened at doors and readers, the newest first.
WITH calm AS (
    SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[]))
        THEN 'No event of a door' || to_char(now() AT TIME ZONE 'UTC', '", as of "HH24:MI:SS" UTC"')
        ELSE 'no hub yet' END AS sentence
), happened AS (
    SELECT e.time, concat_ws(' / ', hub, s.zone, sensor) AS door, e.type, e.subject,
        concat_ws(', ', e.attrs ->> 'reader', e.attrs ->> 'direction', e.attrs ->> 'reason') AS detail,
        row_number() OVER (ORDER BY e.time DESC) AS place, count(*) OVER () AS every
    FROM hubwatch.events e JOIN hubwatch.sensors s USING (hub, sensor)
    WHERE $__timeFilter(e.time) AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
        AND (s.kind = 'access' OR e.type LIKE 'access.%' OR e.type LIKE 'door.%')
), shown AS (
    SELECT time, door, type, subject, detail FROM happened WHERE place <= 200
    UNION ALL
    SELECT NULL, every - 200 || ' more: choose a shorter time range', NULL, NULL, NULL
    FROM happened WHERE place = 200 AND every > 200
)
SELECT h.time AS "Time", coalesce(h.door, c.sentence) AS "Door", h.type AS "What", h.subject AS "Who",
    h.detail AS "Detail"
FROM calm c LEFT JOIN shown h ON true
ORDER BY h.time DESC NULLS LAST

-- perimeter: What the fence and its layers reported, the newest first.
WITH calm AS (
    SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[]))
        THEN 'No event of the perimeter' || to_char(now() AT TIME ZONE 'UTC', '", as of "HH24:MI:SS" UTC"')
        ELSE 'no hub yet' END AS sentence
), happened AS (
    SELECT e.time, concat_ws(' / ', hub, s.zone, sensor) AS section, e.type, e.attrs,
        row_number() OVER (ORDER BY e.time DESC) AS place, count(*) OVER () AS every
    FROM hubwatch.events e JOIN hubwatch.sensors s USING (hub, sensor)
    WHERE $__timeFilter(e.time) AND hub = ANY(ARRAY[${hub:sqlstring}]::text[])
        AND (s.kind = 'perimeter' OR e.type LIKE 'perimeter.%')
), shown AS (
    SELECT time, section, type, attrs FROM happened WHERE place <= 200
    UNION ALL
    SELECT NULL, every - 200 || ' more: choose a shorter time range', NULL, NULL
    FROM happened WHERE place = 200 AND every > 200
)
SELECT h.time AS "Time", coalesce(h.section, c.sentence) AS "Section", h.type AS "What",
    h.attrs ->> 'layer' AS "Layer", h.attrs ->> 'position_m' AS "At (m)"
FROM calm c LEFT JOIN shown h ON true
ORDER BY h.time DESC NULLS LAST

-- ledger_gaps: Frames that were numbered but are not stored, with what is known of the cause; unexplained ones first.
WITH calm AS (
    SELECT CASE
        WHEN EXISTS (SELECT FROM hubwatch.agents WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[]))
        THEN 'Every frame is accounted for' || to_char(now() AT TIME ZONE 'UTC', '", as of "HH24:MI:SS" UTC"')
        WHEN EXISTS (SELECT FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])) THEN 'no agent yet'
        ELSE 'no hub yet' END AS sentence
), gap AS (
    SELECT cause, hub || ' / ' || agent AS agent, frames, first_seq, last_seq, since,
        row_number() OVER (ORDER BY cause <> 'unexplained', since DESC) AS place, count(*) OVER () AS every
    FROM hubwatch.ledger_gaps WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])
), shown AS (
    SELECT cause, agent, frames, first_seq, last_seq, since, place FROM gap WHERE place <= 100
    UNION ALL
    SELECT NULL, every - 100 || ' more: `hubwatch ledger report` shows every gap', NULL, NULL, NULL, NULL, 101
    FROM gap WHERE place = 100 AND every > 100
)
SELECT g.cause AS "Cause", coalesce(g.agent, c.sentence) AS "Agent", g.frames AS "Frames",
    g.first_seq AS "From", g.last_seq AS "To", g.since AS "Since"
FROM calm c LEFT JOIN shown g ON true
ORDER BY g.place

-- dead_letters: Messages that could not be read, with the reason; `hubwatch dead-letters show` has their bytes.
WITH calm AS (
    SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.hubs WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[]))
        THEN 'No dead letter' || to_char(now() AT TIME ZONE 'UTC', '", as of "HH24:MI:SS" UTC"')
        ELSE 'no hub yet' END AS sentence
), letter AS (
    SELECT last_seen, concat_ws(' / ', hub, agent) AS agent, reason, count, topic, id,
        row_number() OVER (ORDER BY last_seen DESC, id DESC) AS place, count(*) OVER () AS every
    FROM hubwatch.dead_letters
    WHERE $__timeFilter(last_seen) AND (hub IS NULL OR hub = ANY(ARRAY[${hub:sqlstring}]::text[]))
), shown AS (
    SELECT last_seen, agent, reason, count, topic, id, place FROM letter WHERE place <= 100
    UNION ALL
    SELECT NULL, NULL, every - 100 || ' more: `hubwatch dead-letters list` shows them', NULL, NULL, NULL, 101
    FROM letter WHERE place = 100 AND every > 100
)
SELECT d.last_seen AS "Last seen", d.agent AS "Agent", coalesce(d.reason, c.sentence) AS "Reason",
    d.count AS "Times", d.topic AS "Topic", d.id AS "Id"
FROM calm c LEFT JOIN shown d ON true
ORDER BY d.place
