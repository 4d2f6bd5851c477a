-- hubs: the hubs a person may choose among
SELECT hub FROM hubwatch.hubs ORDER BY hub

-- open_alarms: Every alarm that is not closed, the most urgent first, and among those the ones nobody has taken.
SELECT priority AS "Priority", type AS "What", concat_ws(' / ', hub, zone, sensor) AS "Where", subject AS "Subject",
    opened AS "Since", state AS "State", acknowledged_by AS "Taken by", detections AS "Times", why AS "Why", id AS "Alarm"
FROM hubwatch.alarms
WHERE closed IS NULL AND hub IN (${hub:sqlstring})
ORDER BY priority, state NOT IN ('unacknowledged', 'returned'), opened

-- blind: What cannot be seen right now. Sensors whose newest reading is too old or bad, and agents that are offline.
WITH channel AS (
    SELECT hub, sensor, channel, s.zone, l.time, CASE
        WHEN l.time IS NULL THEN 'never heard'
        WHEN l.age_s > s.max_age_s THEN 'silent'
        ELSE concat_ws(': ', 'bad', l.reason) END AS cause
    FROM hubwatch.sensors s
    JOIN hubwatch.channels c USING (hub, sensor)
    LEFT JOIN hubwatch.latest l USING (hub, sensor, channel)
    WHERE hub IN (${hub:sqlstring})
        AND (l.quality = 2 OR l.age_s > s.max_age_s OR (l.time IS NULL AND s.max_age_s IS NOT NULL))
)
SELECT concat_ws(' / ', hub, agent) AS "Blind", 'agent offline' AS "Why", NULL AS "Channels", last_frame AS "Last heard"
FROM hubwatch.agents
WHERE state = 'offline' AND hub IN (${hub:sqlstring})
UNION ALL
SELECT concat_ws(' / ', hub, zone, sensor), cause, string_agg(channel, ', ' ORDER BY channel), max(time)
FROM channel
GROUP BY hub, zone, sensor, cause
ORDER BY "Why", "Blind"

-- alarms_waiting: Alarms that nobody has acknowledged.
SELECT count(*) AS "Alarms waiting" FROM hubwatch.alarms
WHERE state IN ('unacknowledged', 'returned') AND hub IN (${hub:sqlstring})

-- sensors_blind: Sensors of which at least one channel is too old or bad.
SELECT count(DISTINCT (hub, sensor)) AS "Sensors blind"
FROM hubwatch.sensors s
JOIN hubwatch.channels c USING (hub, sensor)
LEFT JOIN hubwatch.latest l USING (hub, sensor, channel)
WHERE hub IN (${hub:sqlstring})
    AND (l.quality = 2 OR l.age_s > s.max_age_s OR (l.time IS NULL AND s.max_age_s IS NOT NULL))

-- agents_offline: Agents whose last will the broker has sent: everything behind them is unseen.
SELECT count(*) AS "Agents offline" FROM hubwatch.agents WHERE state = 'offline' AND hub IN (${hub:sqlstring})

-- frames_unexplained: Frames that were numbered by an agent, never arrived, and that nothing accounts for.
SELECT coalesce(sum(frames), 0)::bigint AS "Frames unexplained" FROM hubwatch.ledger_gaps
WHERE cause = 'unexplained' AND hub IN (${hub:sqlstring})

-- dead_letters_now: Messages in the time range that could not be read and were set aside whole.
SELECT count(*) AS "Dead letters" FROM hubwatch.dead_letters
WHERE $__timeFilter(last_seen) AND (hub IS NULL OR hub IN (${hub:sqlstring}))

-- readings_now: Readings stored a second, over the last minute.
SELECT coalesce(sum(readings), 0) / 60.0 AS "Readings/s" FROM hubwatch.frames
WHERE committed > now() - INTERVAL '60 seconds' AND hub IN (${hub:sqlstring})

-- detections: What the detectors found, by kind.
SELECT $__timeGroup(start, $__interval, 0) AS "time", type AS metric, count(*) AS value
FROM hubwatch.detections
WHERE $__timeFilter(start) AND hub IN (${hub:sqlstring})
GROUP BY 1, 2
ORDER BY 1

-- readings_rate: Readings stored a second, as the ledger counts them. A backlog after an outage shows as a peak.
SELECT $__timeGroup(committed, $__interval, 0) AS "time", hub AS metric,
    sum(readings) / greatest($__interval_ms / 1000.0, 1) AS value
FROM hubwatch.frames
WHERE $__timeFilter(committed) AND hub IN (${hub:sqlstring})
GROUP BY 1, 2
ORDER BY 1

-- portal_gamma: Gamma counts a sample of each panel, highest in each interval. The line breaks where nothing was read.
SELECT $__timeGroup(time, $__interval, NULL) AS "time", concat_ws(' ', hub, sensor, channel) AS metric,
    max(value) AS value
FROM hubwatch.readings JOIN hubwatch.sensors s USING (hub, sensor)
WHERE $__interval_ms < 60000 AND $__timeFilter(time) AND hub IN (${hub:sqlstring})
    AND s.kind = 'radiation_portal' AND channel LIKE 'gamma.%' AND quality < 2
GROUP BY 1, 2
UNION ALL
SELECT $__timeGroup(bucket, $__interval, NULL), concat_ws(' ', hub, sensor, channel), max(max)
FROM hubwatch.readings_1m JOIN hubwatch.sensors s USING (hub, sensor)
WHERE $__interval_ms >= 60000 AND $__timeFilter(bucket) AND hub IN (${hub:sqlstring})
    AND s.kind = 'radiation_portal' AND channel LIKE 'gamma.%'
GROUP BY 1, 2
ORDER BY 1

-- portal_neutron: Neutron counts a sample of each panel, highest in each interval. The line breaks where nothing was read.
SELECT $__timeGroup(time, $__interval, NULL) AS "time", concat_ws(' ', hub, sensor, channel) AS metric,
    max(value) AS value
FROM hubwatch.readings JOIN hubwatch.sensors s USING (hub, sensor)
WHERE $__interval_ms < 60000 AND $__timeFilter(time) AND hub IN (${hub:sqlstring})
    AND s.kind = 'radiation_portal' AND channel LIKE 'neutron.%' AND quality < 2
GROUP BY 1, 2
UNION ALL
SELECT $__timeGroup(bucket, $__interval, NULL), concat_ws(' ', hub, sensor, channel), max(max)
FROM hubwatch.readings_1m JOIN hubwatch.sensors s USING (hub, sensor)
WHERE $__interval_ms >= 60000 AND $__timeFilter(bucket) AND hub IN (${hub:sqlstring})
    AND s.kind = 'radiation_portal' AND channel LIKE 'neutron.%'
GROUP BY 1, 2
ORDER BY 1

-- portal_occupied: Whether something stood in the portal.
SELECT $__timeGroup(time, $__interval, NULL) AS "time", concat_ws(' ', hub, sensor, channel) AS metric,
    max(value) AS value
FROM hubwatch.readings JOIN hubwatch.sensors s USING (hub, sensor)
WHERE $__interval_ms < 60000 AND $__timeFilter(time) AND hub IN (${hub:sqlstring})
    AND s.kind = 'radiation_portal' AND channel = 'occupied' AND quality < 2
GROUP BY 1, 2
UNION ALL
SELECT $__timeGroup(bucket, $__interval, NULL), concat_ws(' ', hub, sensor, channel), max(max)
FROM hubwatch.readings_1m JOIN hubwatch.sensors s USING (hub, sensor)
WHERE $__interval_ms >= 60000 AND $__timeFilter(bucket) AND hub IN (${hub:sqlstring})
    AND s.kind = 'radiation_portal' AND channel = 'occupied'
GROUP BY 1, 2
ORDER BY 1

-- doors: What happened at doors and readers, the newest first.
SELECT e.time AS "Time", concat_ws(' / ', hub, s.zone, sensor) AS "Door", e.type AS "What", e.subject AS "Who",
    concat_ws(', ', e.attrs ->> 'reader', e.attrs ->> 'direction', e.attrs ->> 'reason') AS "Detail"
FROM hubwatch.events e JOIN hubwatch.sensors s USING (hub, sensor)
WHERE $__timeFilter(e.time) AND hub IN (${hub:sqlstring})
    AND (s.kind = 'access' OR e.type LIKE 'access.%' OR e.type LIKE 'door.%')
ORDER BY e.time DESC
LIMIT 200

-- perimeter: What the fence and its layers reported, the newest first.
SELECT e.time AS "Time", concat_ws(' / ', hub, s.zone, sensor) AS "Section", e.type AS "What",
    e.attrs ->> 'layer' AS "Layer", e.attrs ->> 'position_m' AS "At (m)"
FROM hubwatch.events e JOIN hubwatch.sensors s USING (hub, sensor)
WHERE $__timeFilter(e.time) AND hub IN (${hub:sqlstring}) AND (s.kind = 'perimeter' OR e.type LIKE 'perimeter.%')
ORDER BY e.time DESC
LIMIT 200

-- ledger_gaps: Frames that were numbered but are not stored, with what is known of the cause; unexplained ones first.
SELECT cause AS "Cause", concat_ws(' / ', hub, agent) AS "Agent", frames AS "Frames", first_seq AS "From",
    last_seq AS "To", since AS "Since"
FROM hubwatch.ledger_gaps
WHERE hub IN (${hub:sqlstring})
ORDER BY cause <> 'unexplained', since DESC
LIMIT 100

-- dead_letters: Messages that could not be read, with the reason; `hubwatch dead-letters show` has their bytes.
SELECT last_seen AS "Last seen", concat_ws(' / ', hub, agent) AS "Agent", reason AS "Reason", count AS "Times",
    topic AS "Topic", id AS "Id"
FROM hubwatch.dead_letters
WHERE $__timeFilter(last_seen) AND (hub IS NULL OR hub IN (${hub:sqlstring}))
ORDER BY last_seen DESC
LIMIT 100
