-- beats: how often each process that does the work of a hub has shown that it lives
SELECT kind, token, beats FROM hubwatch.process_owner
WHERE kind IN ('collector', 'detectors', 'alarms') AND (hubs IS NULL OR hubs = '{}' OR %(hub)s = ANY (hubs))
ORDER BY kind, token;

-- behind: how far what was stored, judged and handled is behind, in seconds; NULL where there was none
SELECT EXISTS (SELECT FROM hubwatch.hubs WHERE hub = %(hub)s) AS known,
    (SELECT count(*) FROM hubwatch.agents WHERE hub = %(hub)s AND gone IS NULL) AS agents,
    (SELECT count(*) FROM hubwatch.sensors WHERE hub = %(hub)s AND gone IS NULL) AS sensors,
    extract(epoch FROM clock_timestamp() - a.heard)::float8 AS heard_s,
    extract(epoch FROM clock_timestamp() - d.judged)::float8 AS judged_s,
    (SELECT extract(epoch FROM clock_timestamp() - min(f.detected))::float8
        FROM hubwatch.alarm_inbox w JOIN hubwatch.detection f ON f.id = w.detection WHERE f.hub = %(hub)s) AS waiting_s
FROM (SELECT max(heard) AS heard FROM hubwatch.agents WHERE hub = %(hub)s AND gone IS NULL) a,
    (SELECT greatest((SELECT max(saved) FROM hubwatch.detector_journal WHERE hub = %(hub)s),
        (SELECT max(saved) FROM hubwatch.detector_state WHERE hub = %(hub)s)) AS judged) d;

-- level: the security level that is in force, and who set it
SELECT h.security_level AS level, j.at, j.by, j.note, j.until
FROM hubwatch.hubs h LEFT JOIN LATERAL (SELECT * FROM hubwatch.level_journal n
    WHERE n.hub = h.hub AND (n.until IS NULL OR n.until > clock_timestamp()) ORDER BY n.id DESC LIMIT 1) j ON true
WHERE h.hub = %(hub)s;

-- alarms: the open alarms that are not set aside, those first that nobody has taken, then by how urgent they are; what is real
-- before every exercise
SELECT a.id, a.type, a.zone, a.sensor, a.priority, a.state, a.opened, a.acknowledged_by, a.incident, a.exercise, t.told, a.whole
FROM (
    SELECT *, count(*) OVER () AS whole FROM hubwatch.alarms
    WHERE hub = %(hub)s AND state IN ('unacknowledged', 'returned', 'acknowledged')
    ORDER BY exercise IS NOT NULL, state = 'acknowledged', priority, opened, id LIMIT %(most)s
) a LEFT JOIN hubwatch.alarm_telling t ON t.alarm = a.id
ORDER BY a.exercise IS NOT NULL, a.state = 'acknowledged', a.priority, a.opened, a.id;

-- incidents: the incidents that are not closed, with what was said last of each
SELECT i.id, i.title, i.priority, i.opened, i.assigned, i.comments, c.note AS comment, c.by AS comment_by,
    count(*) OVER () AS whole
FROM hubwatch.incidents i LEFT JOIN LATERAL (SELECT j.note, j.by FROM hubwatch.incident_journal j
    WHERE j.incident = i.id AND j.action = 'commented' ORDER BY j.id DESC LIMIT 1) c ON true
WHERE i.hub = %(hub)s AND i.closed IS NULL ORDER BY i.exercise IS NOT NULL, i.priority, i.opened, i.id LIMIT %(most)s;

-- approvals: acts that wait for a second person, those first that end first
SELECT id, act, subject, reason, asked_by, asked, expires, count(*) OVER () AS whole FROM hubwatch.approvals
WHERE hub = %(hub)s AND decision IS NULL AND expires > clock_timestamp() ORDER BY expires, id LIMIT %(most)s;

-- set_aside: alarms that are set aside
SELECT id, kind, zone, sensor, types, priority, since, until, by, reason, count(*) OVER () AS whole
FROM hubwatch.suppressed WHERE hub = %(hub)s AND what = 'alarm' ORDER BY priority, since, id LIMIT %(most)s;

-- expected: what is expected now or later: out of service, planned works, maintenance
SELECT id, kind, zone, sensor, types, priority, since, until, by, reason, agreed_by, count(*) OVER () AS whole
FROM hubwatch.suppressed WHERE hub = %(hub)s AND what = 'expected' ORDER BY since, id LIMIT %(most)s;

-- blind: sensors with a channel that is silent or bad, and agents that are offline
SELECT b.what, b.name, b.zone, b.why, b.heard, count(*) OVER () AS whole FROM (
    SELECT 'agent' AS what, agent AS name, NULL AS zone, 'agent offline' AS why, heard
    FROM hubwatch.agents WHERE hub = %(hub)s AND state = 'offline' AND gone IS NULL
    UNION ALL
    SELECT 'sensor', s.sensor, s.zone, string_agg(DISTINCT CASE
            WHEN l.time IS NULL THEN 'never heard' WHEN l.age_s < 0 THEN 'time of the future'
            WHEN l.age_s > s.max_age_s THEN 'silent' ELSE concat_ws(': ', 'bad', l.reason) END, ', '), max(l.time)
    FROM hubwatch.sensors s JOIN hubwatch.channels c ON c.hub = s.hub AND c.sensor = s.sensor
    LEFT JOIN hubwatch.latest l ON l.hub = c.hub AND l.sensor = c.sensor AND l.channel = c.channel
    WHERE s.hub = %(hub)s AND s.gone IS NULL AND c.gone IS NULL AND c.valid_to IS NULL AND c.source IS NULL
        AND (l.quality = 2 OR l.age_s < 0 OR l.age_s > s.max_age_s OR (l.time IS NULL AND s.max_age_s IS NOT NULL))
    GROUP BY s.sensor, s.zone
) b ORDER BY b.what, b.name LIMIT %(most)s;

-- routes: ways to people on which something of the hub waits or was given up, and nothing was delivered since
WITH delivered AS (
    SELECT route, max(finished) AS last FROM hubwatch.notification_outbox
    WHERE state = 'delivered' AND finished > clock_timestamp() - INTERVAL '12 hours' GROUP BY route
)
SELECT o.route, count(*) FILTER (WHERE o.state = 'waiting') AS waiting,
    count(*) FILTER (WHERE o.state IN ('given_up', 'refused')) AS given_up, min(o.queued) AS since, max(o.attempts) AS tries,
    count(*) OVER () AS whole
FROM hubwatch.notification_outbox o JOIN hubwatch.alarms a ON a.id = o.alarm LEFT JOIN delivered d ON d.route = o.route
WHERE a.hub = %(hub)s AND (d.last IS NULL OR d.last < o.queued)
    AND ((o.state = 'waiting' AND (o.attempts > 0 OR o.queued < clock_timestamp() - INTERVAL '2 minutes'))
        OR (o.state IN ('given_up', 'refused') AND o.queued > clock_timestamp() - INTERVAL '12 hours'))
GROUP BY o.route ORDER BY waiting DESC, o.route LIMIT %(most)s;

-- site: the newest site of the hub, whose clock people read
SELECT file FROM hubwatch.site_versions WHERE hub = %(hub)s ORDER BY version DESC LIMIT 1;

-- one: one handover
SELECT h.*, hubwatch.handover_digest(h) AS digest FROM hubwatch.handovers h WHERE h.id = %(id)s;

-- hold: one handover, for nobody else to change until the transaction ends
SELECT h.*, hubwatch.handover_digest(h) AS digest FROM hubwatch.handovers h WHERE h.id = %(id)s FOR NO KEY UPDATE;

-- list: handovers, the newest first
SELECT h.*, hubwatch.handover_digest(h) AS digest FROM hubwatch.handovers h
WHERE (%(hub)s::text IS NULL OR h.hub = %(hub)s) AND (%(seen)s::text[] IS NULL OR h.hub = ANY (%(seen)s))
    AND (%(before)s::bigint IS NULL OR h.id < %(before)s)
ORDER BY h.id DESC LIMIT %(most)s;

-- history: who has handed over to whom before a handover, the newest first
SELECT h.id, h.hub, h.drafted, h.drafted_by, h.left_by, h.left_at, h.taken_by, h.taken_at FROM hubwatch.handovers h
WHERE (%(before)s::bigint IS NULL OR h.id < %(before)s) AND (%(hub)s::text IS NULL OR h.hub = %(hub)s)
    AND (%(seen)s::text[] IS NULL OR h.hub = ANY (%(seen)s))
ORDER BY h.id DESC LIMIT %(most)s;

-- draft: what stands in the database now; it renews the one that is not taken over yet, whose signature is no good for it then
INSERT INTO hubwatch.handovers (hub, drafted, drafted_by, drafted_verified, facts)
VALUES (%(hub)s, %(at)s, %(by)s, %(verified)s, %(facts)s::jsonb)
ON CONFLICT (hub) WHERE taken_at IS NULL DO UPDATE SET drafted = excluded.drafted, drafted_by = excluded.drafted_by,
    drafted_verified = excluded.drafted_verified, facts = excluded.facts, left_by = NULL, left_at = NULL, left_verified = NULL
RETURNING id;

-- note: what people have to say beside the facts; a signature of before is no good for it
UPDATE hubwatch.handovers SET notes = %(notes)s, left_by = NULL, left_at = NULL, left_verified = NULL WHERE id = %(id)s;

-- leave: whoever leaves signs
UPDATE hubwatch.handovers SET left_by = %(by)s, left_at = %(at)s, left_verified = %(verified)s WHERE id = %(id)s;

-- take: whoever takes over signs
UPDATE hubwatch.handovers SET taken_by = %(by)s, taken_at = %(at)s, taken_verified = %(verified)s WHERE id = %(id)s;
