-- queue: open alarms in the order in which they want attention, some of them
-- The order is that of `list_alarms`: what is real goes before every exercise, and in a flood what is never folded comes
-- first, then the others by which was first.
SELECT a.* FROM hubwatch.alarms a
LEFT JOIN hubwatch.alarm_floods f ON f.hub = a.hub
WHERE a.closed IS NULL AND (%(hub)s::text IS NULL OR a.hub = %(hub)s) AND (%(zone)s::text IS NULL OR a.zone = %(zone)s)
    AND (%(priority)s::smallint IS NULL OR a.priority <= %(priority)s)
    AND CASE %(which)s WHEN 'waiting' THEN a.state IN ('unacknowledged', 'returned')
        WHEN 'taken' THEN a.state = 'acknowledged' WHEN 'aside' THEN a.state IN ('shelved', 'suppressed', 'out_of_service')
        WHEN 'mine' THEN a.state = 'acknowledged' AND a.acknowledged_by = %(person)s
        ELSE true END
    AND (%(seen)s::text[] IS NULL OR a.hub = ANY (%(seen)s))
ORDER BY a.exercise IS NOT NULL,
    CASE WHEN a.state IN ('unacknowledged', 'returned') THEN 0 WHEN a.state = 'acknowledged' THEN 1 ELSE 2 END,
    CASE WHEN f.hub IS NULL THEN 2 * a.priority + (a.state = 'returned')::int
        WHEN a.priority = 1 OR a.type LIKE '%%.duress' OR a.type LIKE '%%.tamper' THEN 1 ELSE 2 END,
    CASE WHEN f.hub IS NULL THEN NULL ELSE a.opened END, a.opened DESC, a.id
OFFSET %(skip)s LIMIT %(most)s;

-- queue_calm: the same while none of these hubs is in a flood
-- As in the index of that order, so that a page is read and not sorted out of all that is open.
SELECT a.* FROM hubwatch.alarms a
WHERE a.closed IS NULL AND (%(hub)s::text IS NULL OR a.hub = %(hub)s) AND (%(zone)s::text IS NULL OR a.zone = %(zone)s)
    AND (%(priority)s::smallint IS NULL OR a.priority <= %(priority)s)
    AND CASE %(which)s WHEN 'waiting' THEN a.state IN ('unacknowledged', 'returned')
        WHEN 'taken' THEN a.state = 'acknowledged' WHEN 'aside' THEN a.state IN ('shelved', 'suppressed', 'out_of_service')
        WHEN 'mine' THEN a.state = 'acknowledged' AND a.acknowledged_by = %(person)s
        ELSE true END
    AND (%(seen)s::text[] IS NULL OR a.hub = ANY (%(seen)s))
ORDER BY a.exercise IS NOT NULL,
    CASE WHEN a.state IN ('unacknowledged', 'returned') THEN 0 WHEN a.state = 'acknowledged' THEN 1 ELSE 2 END,
    2 * a.priority + (a.state = 'returned')::int, a.opened DESC, a.id
OFFSET %(skip)s LIMIT %(most)s;

-- counts: how many open alarms there are, by state and priority, of the hubs that somebody sees
SELECT state, priority, count(*)::int AS alarms FROM hubwatch.alarms
WHERE closed IS NULL AND (%(hub)s::text IS NULL OR hub = %(hub)s)
    AND (%(seen)s::text[] IS NULL OR hub = ANY (%(seen)s))
GROUP BY state, priority;

-- exercised: how many of them an exercise made up
SELECT state, priority, count(*)::int AS alarms FROM hubwatch.alarms
WHERE closed IS NULL AND exercise IS NOT NULL AND (%(hub)s::text IS NULL OR hub = %(hub)s)
    AND (%(seen)s::text[] IS NULL OR hub = ANY (%(seen)s))
GROUP BY state, priority;

-- untold: how many real alarms wait for a person and have waited a while without anybody having been told, counted up to a bound
SELECT count(*)::int AS alarms FROM (
    SELECT FROM hubwatch.alarms a JOIN hubwatch.alarm_telling t ON t.alarm = a.id
    WHERE a.closed IS NULL AND a.exercise IS NULL AND a.state IN ('unacknowledged', 'returned')
        AND (t.untold_since IS NOT NULL OR t.told IS NULL)
        AND coalesce(t.untold_since, a.opened) < clock_timestamp() - %(after_s)s * interval '1 s'
        AND (%(hub)s::text IS NULL OR a.hub = %(hub)s) AND (%(seen)s::text[] IS NULL OR a.hub = ANY (%(seen)s))
    LIMIT %(most)s
) found;

-- last_move: the number of the newest entry of the alarms' journal
SELECT coalesce(max(id), 0) AS last FROM hubwatch.alarm_journal;

-- moves: what happened to alarms after an entry of their journal, in order
SELECT j.id, j.at, j.action, j.by, j.to_state, a.id AS alarm, a.hub, a.zone, a.sensor, a.type, a.priority, a.state,
    a.acknowledged_by, a.incident, a.exercise
FROM hubwatch.alarm_journal j JOIN hubwatch.alarms a ON a.id = j.alarm
WHERE j.id > %(after)s ORDER BY j.id LIMIT %(most)s;

-- hubs: the hubs that somebody sees
SELECT hub, coalesce(name, hub) AS name, security_level FROM hubwatch.hubs
WHERE %(seen)s::text[] IS NULL OR hub = ANY (%(seen)s) ORDER BY hub;

-- zones: the zones of the hubs that somebody sees
SELECT DISTINCT zone FROM hubwatch.zones WHERE %(seen)s::text[] IS NULL OR hub = ANY (%(seen)s) ORDER BY zone LIMIT 500;

-- work: by hub, when frames were last stored and when detectors last wrote
SELECT h.hub, extract(epoch FROM clock_timestamp() - max(a.heard))::float8 AS heard_s,
    extract(epoch FROM clock_timestamp() - greatest(
        (SELECT max(d.saved) FROM hubwatch.detector_state d WHERE d.hub = h.hub),
        (SELECT max(d.saved) FROM hubwatch.detector_journal d WHERE d.hub = h.hub)))::float8 AS judged_s
FROM hubwatch.hubs h LEFT JOIN hubwatch.agents a ON a.hub = h.hub AND a.gone IS NULL
GROUP BY h.hub;

-- beats: which processes do the work that only one may do, and what waits for alarms to be made of it
SELECT kind, hubs, beats, (SELECT min(id) FROM hubwatch.alarm_inbox) AS waits FROM hubwatch.process_owner;

-- agents: the agents of the hubs that somebody sees
SELECT hub, agent, state, software, extract(epoch FROM clock_timestamp() - heard)::float8 AS heard_s, state_since,
    extract(epoch FROM clock_timestamp() - last_late)::float8 AS late_s,
    (SELECT count(*) FROM hubwatch.sensors s WHERE s.hub = a.hub AND s.agent = a.agent AND s.gone IS NULL)::int AS sensors
FROM hubwatch.agents a
WHERE gone IS NULL AND (%(seen)s::text[] IS NULL OR hub = ANY (%(seen)s)) ORDER BY hub, agent LIMIT %(most)s;

-- gaps: how many frames are missing, by cause
SELECT cause, sum(frames)::bigint AS frames FROM hubwatch.ledger_gaps
WHERE %(seen)s::text[] IS NULL OR hub = ANY (%(seen)s) GROUP BY cause ORDER BY cause;

-- undelivered: by route, messages that wait, for however long, and what became of those of the last day
SELECT o.route, count(*) FILTER (WHERE o.state = 'waiting' AND o.attempts > 0)::int AS failing,
    count(*) FILTER (WHERE o.state = 'waiting' AND o.attempts = 0)::int AS waiting,
    count(*) FILTER (WHERE o.state = 'given_up')::int AS given_up,
    count(*) FILTER (WHERE o.state = 'delivered')::int AS delivered, max(o.finished) FILTER (WHERE o.state = 'delivered') AS last,
    min(o.queued) FILTER (WHERE o.state = 'waiting') AS oldest
FROM hubwatch.notification_outbox o JOIN hubwatch.alarms a ON a.id = o.alarm
WHERE (o.queued > clock_timestamp() - INTERVAL '1 day' OR o.state = 'waiting') AND (%(seen)s::text[] IS NULL OR a.hub = ANY (%(seen)s))
GROUP BY o.route ORDER BY o.route LIMIT %(most)s;

-- dead_man: what came of the last beat of the dead man
SELECT outcome, reason, at, taken, every_s, extract(epoch FROM clock_timestamp() - at)::float8 AS age_s FROM hubwatch.dead_man;

-- sensors: each sensor with the age of its newest reading, why it may not be seen, and its most urgent alarm that is real
SELECT s.hub, s.zone, s.sensor, s.kind, s.agent, s.max_age_s::float8 AS max_age_s, a.state AS agent_state,
    extract(epoch FROM clock_timestamp() - a.heard)::float8 AS agent_heard_s,
    extract(epoch FROM clock_timestamp() - l.time)::float8 AS age_s, l.quality, l.reason,
    EXISTS (SELECT FROM hubwatch.channels c WHERE c.hub = s.hub AND c.sensor = s.sensor AND c.source IS NULL) AS channels,
    x.kind AS expected, x.until, x.by AS expected_by, b.id AS alarm, b.type AS alarm_type, b.priority, b.acknowledged_by,
    b.opened, b.exercise
FROM hubwatch.sensors s
LEFT JOIN hubwatch.agents a ON a.hub = s.hub AND a.agent = s.agent
LEFT JOIN LATERAL (
    SELECT v.time, v.quality, v.reason FROM hubwatch.channels c JOIN hubwatch.latest_value v ON v.channel_id = c.id
    WHERE c.hub = s.hub AND c.sensor = s.sensor AND c.source IS NULL ORDER BY v.quality < 2 DESC, v.time DESC LIMIT 1
) l ON true
LEFT JOIN LATERAL (
    SELECT n.kind, n.ends AS until, n.by FROM hubwatch.alarm_suppression n
    WHERE n.hub = s.hub AND n.lifted IS NULL AND clock_timestamp() BETWEEN n.starts AND n.ends AND n.types = '{}'
        AND (n.zone IS NULL OR n.zone = s.zone) AND (n.sensor IS NULL OR n.sensor = s.sensor)
    ORDER BY n.ends DESC LIMIT 1
) x ON true
LEFT JOIN LATERAL (
    SELECT o.id, o.type, o.priority, o.acknowledged_by, o.opened, o.exercise FROM hubwatch.alarms o
    WHERE o.hub = s.hub AND o.sensor = s.sensor AND o.closed IS NULL
    ORDER BY o.exercise IS NOT NULL, o.priority, o.opened LIMIT 1
) b ON true
WHERE s.gone IS NULL AND s.kind IS NOT NULL AND (%(hub)s::text IS NULL OR s.hub = %(hub)s)
    AND (%(seen)s::text[] IS NULL OR s.hub = ANY (%(seen)s))
    AND (%(after)s::text[] IS NULL
        OR (s.hub, coalesce(s.zone, ''), s.sensor) > ((%(after)s::text[])[1], (%(after)s::text[])[2], (%(after)s::text[])[3]))
ORDER BY s.hub, coalesce(s.zone, ''), s.sensor LIMIT %(most)s;

-- sensors_there: how many sensors there are
SELECT count(*)::int AS sensors FROM hubwatch.sensors s
WHERE s.gone IS NULL AND s.kind IS NOT NULL AND (%(hub)s::text IS NULL OR s.hub = %(hub)s)
    AND (%(seen)s::text[] IS NULL OR s.hub = ANY (%(seen)s));

-- detections: those of an alarm, the newest first
SELECT d.id, d.type, d.start, d."end", d.detected, d.score, d.priority, d.detector, d.version, d.late, d.why, d.evidence
FROM hubwatch.alarm_detection b JOIN hubwatch.detections d ON d.id = b.detection
WHERE b.alarm = %(alarm)s ORDER BY d.start DESC LIMIT %(most)s;

-- history: former alarms of a sensor, with what people found them to be
SELECT a.id, a.type, a.priority, a.opened, a.closed, a.acknowledged_by, a.exercise, v.verdict, v.by
FROM hubwatch.alarms a
LEFT JOIN LATERAL (SELECT j.verdict, j.by FROM hubwatch.adjudications j WHERE j.alarm = a.id ORDER BY j.id DESC LIMIT 1) v
    ON true
WHERE a.hub = %(hub)s AND a.sensor = %(sensor)s AND a.id <> %(alarm)s AND a.exercise IS NULL
ORDER BY a.opened DESC LIMIT %(most)s;

-- events: what a sensor said around a moment, in order
SELECT time, type, subject, attrs, late FROM (
    SELECT e.time, e.type, e.subject, e.attrs, e.late FROM hubwatch.event e JOIN hubwatch.sensors s ON s.id = e.sensor_id
    WHERE s.hub = %(hub)s AND s.sensor = %(sensor)s AND e.time BETWEEN %(since)s AND %(until)s
    ORDER BY e.time DESC LIMIT %(most)s
) newest ORDER BY time;

-- channels: the channels of a sensor with their newest readings
SELECT c.channel, c.unit, c.kind, v.time, v.value, v.quality, v.reason,
    extract(epoch FROM clock_timestamp() - v.time)::float8 AS age_s
FROM hubwatch.channels c LEFT JOIN hubwatch.latest_value v ON v.channel_id = c.id
WHERE c.hub = %(hub)s AND c.sensor = %(sensor)s AND c.source IS NULL AND c.valid_to IS NULL AND c.gone IS NULL
ORDER BY c.channel LIMIT 40;

-- device: what a sensor is, who reads it, and how that agent is
SELECT s.kind, s.zone, s.profile, s.agent, s.max_age_s::float8 AS max_age_s, s.gone, a.state AS agent_state, a.software,
    a.state_since, extract(epoch FROM clock_timestamp() - a.heard)::float8 AS agent_heard_s,
    extract(epoch FROM clock_timestamp() - a.last_late)::float8 AS late_s, x.kind AS expected
FROM hubwatch.sensors s LEFT JOIN hubwatch.agents a ON a.hub = s.hub AND a.agent = s.agent
LEFT JOIN LATERAL (
    SELECT n.kind FROM hubwatch.alarm_suppression n
    WHERE n.hub = s.hub AND n.lifted IS NULL AND clock_timestamp() BETWEEN n.starts AND n.ends AND n.types = '{}'
        AND (n.zone IS NULL OR n.zone = s.zone) AND (n.sensor IS NULL OR n.sensor = s.sensor)
    ORDER BY n.ends DESC LIMIT 1
) x ON true
WHERE s.hub = %(hub)s AND s.sensor = %(sensor)s;

-- readings: the readings of a sensor around a moment, for whoever is asked about it; of too many those nearest to it
SELECT time, channel, value, unit, quality, reason, period_us FROM (
    SELECT r.time, r.channel, r.value, c.unit, r.quality, r.reason, c.period_us FROM hubwatch.readings r
    JOIN hubwatch.channels c ON c.hub = r.hub AND c.sensor = r.sensor AND c.channel = r.channel
    WHERE r.hub = %(hub)s AND r.sensor = %(sensor)s AND r.time BETWEEN %(since)s AND %(until)s
    ORDER BY abs(extract(epoch FROM r.time - %(near)s::timestamptz)), r.channel LIMIT %(most)s
) nearest ORDER BY time, channel;

-- expected_of: what is expected of a sensor, now or later, so that nobody is told of it
SELECT id, kind, zone, sensor, types, since, until, by, reason, agreed_by FROM hubwatch.suppressed
WHERE what = 'expected' AND hub = %(hub)s AND (sensor IS NULL OR sensor = %(sensor)s)
    AND (zone IS NULL OR zone = %(zone)s) ORDER BY since, id LIMIT %(most)s;

-- zones_of: the zone of each sensor of a hub
SELECT sensor, zone FROM hubwatch.sensors WHERE hub = %(hub)s AND gone IS NULL AND zone IS NOT NULL ORDER BY sensor LIMIT 5000;

-- nearby: some sensors as they were at a moment: their newest reading then, what they said and what alarmed around it
-- Nothing that another exercise made up.
SELECT s.sensor, s.zone, s.kind, s.max_age_s::float8 AS max_age_s, extract(epoch FROM %(at)s - r.time)::float8 AS age_s, r.quality,
    EXISTS (SELECT FROM hubwatch.channels c WHERE c.hub = s.hub AND c.sensor = s.sensor AND c.source IS NULL) AS channels,
    e.events, e.last_type, a.id AS alarm, a.type AS alarm_type, a.priority, a.opened, a.exercise
FROM hubwatch.sensors s
LEFT JOIN LATERAL (
    SELECT n.time, n.quality FROM hubwatch.channels c
    CROSS JOIN LATERAL (
        SELECT v.time, v.quality FROM hubwatch.readings v
        WHERE v.hub = c.hub AND v.sensor = c.sensor AND v.channel = c.channel
            AND v.time BETWEEN %(at)s - INTERVAL '10 minutes' AND %(at)s
        ORDER BY v.time DESC LIMIT 1
    ) n
    WHERE c.hub = s.hub AND c.sensor = s.sensor AND c.source IS NULL
    ORDER BY n.quality < 2 DESC, n.time DESC LIMIT 1
) r ON true
LEFT JOIN LATERAL (
    SELECT count(*)::int AS events, (array_agg(v.type ORDER BY v.time DESC))[1] AS last_type FROM (
        SELECT v.type, v.time FROM hubwatch.events v
        WHERE v.hub = s.hub AND v.sensor = s.sensor
            AND v.time BETWEEN %(at)s - INTERVAL '2 minutes' AND %(at)s + INTERVAL '2 minutes'
        ORDER BY v.time DESC LIMIT 200
    ) v
) e ON true
LEFT JOIN LATERAL (
    SELECT o.id, o.type, o.priority, o.opened, o.exercise FROM hubwatch.alarms o
    WHERE o.hub = s.hub AND o.sensor = s.sensor
        AND o.opened BETWEEN %(at)s - INTERVAL '10 minutes' AND %(at)s + INTERVAL '10 minutes'
        AND (o.exercise IS NULL OR o.exercise = %(exercise)s::bigint)
    ORDER BY o.exercise IS NOT NULL, o.priority, o.opened LIMIT 1
) a ON true
WHERE s.hub = %(hub)s AND s.sensor = ANY (%(sensors)s) LIMIT 50;

-- sections: the fence sections of a hub, in order along each line
SELECT fence, section, zone, sensor, from_m, to_m FROM hubwatch.fence_sections WHERE hub = %(hub)s
ORDER BY fence, section LIMIT 2000;

-- cameras: the cameras that show any of some places
SELECT camera, covers, page FROM hubwatch.cameras
WHERE hub = %(hub)s AND covers && %(places)s::text[] ORDER BY camera LIMIT 20;

-- incident_alarms: the alarms of an incident, in the order in which they began
SELECT * FROM hubwatch.alarms WHERE incident = %(id)s ORDER BY opened, id LIMIT %(most)s;

-- audit: what people and programs did, the newest first
-- The rows that only hold the alarms' own journal by digest say nothing to a reader.
SELECT id, at, who, verified, hub, act, subject, details FROM hubwatch.audit
WHERE act NOT IN ('alarm_journal', 'adjudication') AND (%(seen)s::text[] IS NULL OR hub = ANY (%(seen)s))
    AND (%(before)s::bigint IS NULL OR id < %(before)s) AND (%(hub)s::text IS NULL OR hub = %(hub)s)
    AND (%(who)s::text IS NULL OR who = %(who)s) AND (%(act)s::text IS NULL OR starts_with(act, %(act)s))
    AND (%(since)s::timestamptz IS NULL OR at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
ORDER BY id DESC LIMIT %(most)s;
