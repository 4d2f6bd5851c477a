-- adjudicate: what a person found an alarm to be, for each of its detections
INSERT INTO hubwatch.adjudications (at, alarm, detection, verdict, by, note, verified)
SELECT statement_timestamp(), %(alarm)s, detection, %(verdict)s, %(by)s, %(note)s, %(verified)s
FROM hubwatch.alarm_detection WHERE alarm = %(alarm)s
ORDER BY detection;

-- adjudicate_incident: the same for every alarm of an incident, but those that somebody has judged by themselves and that
-- have not come back since
INSERT INTO hubwatch.adjudications (at, alarm, detection, verdict, by, note, verified)
SELECT %(at)s, a.id, b.detection, %(verdict)s, %(by)s, %(note)s, %(verified)s
FROM hubwatch.alarms a JOIN hubwatch.alarm_detection b ON b.alarm = a.id
LEFT JOIN LATERAL (SELECT n.at, n.by FROM hubwatch.adjudications n WHERE n.alarm = a.id ORDER BY n.id DESC LIMIT 1) n ON true
WHERE a.incident = %(incident)s AND (n.at IS NULL OR EXISTS (SELECT FROM hubwatch.incident_journal j
    -- What was said of an incident carries the moment of its closing.
    WHERE j.action = 'closed' AND j.at = n.at AND j.by = n.by AND j.hub = a.hub)
    OR EXISTS (SELECT FROM hubwatch.alarm_journal r WHERE r.alarm = a.id AND r.action = 'reopened' AND r.at > n.at))
ORDER BY a.id, b.detection;

-- said_of: what people found an alarm to be
SELECT judged AS at, verdict, by, note FROM hubwatch.judged_alarms WHERE alarm = %(alarm)s AND verdict IS NOT NULL;

-- sensors: what there is to judge at a hub: kind, criticality of the zone, channels that measure, samples a day (1 Hz where no period is said)
SELECT s.sensor, s.kind, coalesce(z.criticality, 1), c.gauges, c.samples
FROM hubwatch.sensors s LEFT JOIN hubwatch.zones z ON z.hub = s.hub AND z.zone = s.zone
CROSS JOIN LATERAL (
    SELECT count(*) AS gauges, coalesce(sum(86400e6 / coalesce(period_us, 1000000)), 0)::float8 AS samples
    FROM hubwatch.channels
    WHERE hub = s.hub AND sensor = s.sensor AND kind = 'gauge' AND source IS NULL AND gone IS NULL AND valid_to IS NULL
) c
WHERE s.hub = %(hub)s AND s.agent IS NOT NULL AND s.gone IS NULL AND s.kind IS NOT NULL ORDER BY s.sensor;

-- scale: what the security level of a hub multiplies its budget by
SELECT l.value FROM hubwatch.hubs h JOIN hubwatch.level_scales l ON l.what = 'budget' AND l.level = h.security_level
WHERE h.hub = %(hub)s;

-- watched: for how many days a hub was watched since a day
SELECT coalesce(sum(watched_s), 0) / 86400 FROM hubwatch.watched_days WHERE hub = %(hub)s AND day >= %(since)s;

-- achieved: what the alarms of each detector and type since a day came to
SELECT detector, type, sum(alarms)::bigint, sum(judged)::bigint, sum("false")::bigint, sum(innocent)::bigint,
    sum("real")::bigint
FROM hubwatch.false_alarms WHERE hub = %(hub)s AND day >= %(since)s AND detector IS NOT NULL
GROUP BY detector, type ORDER BY detector, type;

-- passed: vehicles, uses of badges, and people with badges between two moments
SELECT
    (SELECT count(*) FROM (
        SELECT r.value, lag(r.value) OVER (PARTITION BY r.sensor, r.channel ORDER BY r.time) AS before
        FROM hubwatch.readings r JOIN hubwatch.channels c USING (hub, sensor, channel)
        WHERE c.hub = %(hub)s AND c.name = 'occupied' AND c.source IS NULL AND r.quality < 2
            AND r.time >= %(start)s AND r.time < %(end)s) o
        WHERE o.value >= 0.5 AND (o.before IS NULL OR o.before < 0.5)),
    (SELECT count(*) FROM hubwatch.events
        WHERE hub = %(hub)s AND type = 'access.granted' AND time >= %(start)s AND time < %(end)s),
    (SELECT count(DISTINCT subject) FROM hubwatch.events
        WHERE hub = %(hub)s AND type = 'access.granted' AND time >= %(start)s AND time < %(end)s);

-- verdicts: what people found the detections of a detector to be that began between two moments
SELECT d.type, d.sensor, d.subject, (extract(epoch FROM d.start) * 1000000)::bigint,
    (extract(epoch FROM coalesce(d."end", d.detected)) * 1000000)::bigint, j.verdict
FROM hubwatch.detections d
JOIN LATERAL (SELECT n.verdict FROM hubwatch.adjudications n WHERE n.detection = d.id ORDER BY n.id DESC LIMIT 1) j ON true
WHERE d.exercise IS NULL AND d.hub = %(hub)s AND d.detector = %(detector)s AND d.start >= %(start)s AND d.start < %(end)s;
