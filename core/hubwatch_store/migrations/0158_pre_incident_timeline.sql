-- Everything of an incident in the order of time: what was found, how its alarms moved, who was told and answered, what
-- people said and did, orders to its devices, and levels. `key` tells rows of one moment apart and orders them.
CREATE INDEX level_journal_hub_at ON hubwatch.level_journal (hub, at);
CREATE VIEW hubwatch.incident_timeline AS
SELECT a.incident, a.hub, d.detected AS at, 'detection' AS what, '1' || d.id AS key, a.id AS alarm, d.detector AS by,
    d.type AS action, d.why AS text,
    jsonb_build_object('sensor', d.sensor, 'start', d.start, 'end', coalesce(d."end", e."end"), 'score', d.score,
        'priority', d.priority, 'late', d.late) AS details
FROM hubwatch.alarms a JOIN hubwatch.alarm_detection b ON b.alarm = a.id JOIN hubwatch.detection d ON d.id = b.detection
LEFT JOIN hubwatch.detection_ends e ON e.id = d.id
UNION ALL
-- That it was found once more is told by the detection.
SELECT a.incident, a.hub, j.at, 'move', '2' || lpad(j.id::text, 19, '0'), a.id, j.by, j.action, j.note,
    jsonb_build_object('from', j.from_state, 'to', j.to_state, 'verified', j.verified)
FROM hubwatch.alarms a JOIN hubwatch.alarm_journal j ON j.alarm = a.id WHERE j.action <> 'repeated'
UNION ALL
SELECT a.incident, a.hub, n.at, 'notification', '3' || lpad(n.id::text, 19, '0'), a.id, n.route, n.outcome, n.error,
    jsonb_build_object('attempt', n.attempt, 'status', n.status)
FROM hubwatch.alarms a JOIN hubwatch.notifications n ON n.alarm = a.id
UNION ALL
SELECT a.incident, a.hub, o.answered, 'answer', '4' || o.id, a.id, split_part(o.route, '/', 2), 'answered', NULL,
    jsonb_build_object('route', o.route)
FROM hubwatch.alarms a JOIN hubwatch.notification_outbox o ON o.alarm = a.id WHERE o.answered IS NOT NULL
UNION ALL
SELECT f.incident, j.hub, j.at, CASE j.action WHEN 'commented' THEN 'comment' ELSE 'act' END,
    '5' || lpad(j.id::text, 19, '0'), j.alarm, j.by, j.action, j.note,
    jsonb_strip_nulls(jsonb_build_object('verified', j.verified, 'incident', j.incident, 'other', j.other,
        'verdict', j.verdict, 'person', j.person))
FROM (
    SELECT i.id AS incident, i.id AS own FROM hubwatch.incidents i
    -- What was merged into it tells its story too; `merged_into` names the last one of several.
    UNION ALL SELECT m.merged_into, m.id FROM hubwatch.incidents m WHERE m.merged_into IS NOT NULL
) f JOIN hubwatch.incident_journal j ON j.incident = f.own
UNION ALL
SELECT DISTINCT a.incident, a.hub, n.at, 'adjudication', '6' || lpad(a.id::text, 19, '0') || n.verdict || n.by, a.id, n.by,
    n.verdict, n.note, jsonb_build_object('verified', n.verified)
FROM hubwatch.alarms a JOIN hubwatch.adjudications n ON n.alarm = a.id
UNION ALL
-- Orders of operators to devices of its sensors, and of the zones that it is in.
SELECT i.id, i.hub, v.time, 'command', '7' || s.sensor || v.type, NULL, coalesce(v.subject, ''), v.type, NULL,
    coalesce(v.attrs, '{}') || jsonb_build_object('sensor', s.sensor)
FROM hubwatch.incidents i
JOIN hubwatch.sensors s ON s.hub = i.hub AND EXISTS (SELECT FROM hubwatch.alarms a
    WHERE a.incident = i.id AND (a.sensor = s.sensor OR a.zone = s.zone))
JOIN hubwatch.event v ON v.sensor_id = s.id AND v.time >= i.opened AND v.time <= coalesce(i.closed, clock_timestamp())
WHERE v.type IN ('command.executed', 'command.refused', 'command.failed', 'command.unknown')
UNION ALL
SELECT i.id, i.hub, l.at, 'level', '8' || lpad(l.id::text, 19, '0'), NULL, l.by, l.level::text, l.note,
    jsonb_build_object('level', l.level, 'former', l.former, 'until', l.until)
FROM hubwatch.incidents i JOIN hubwatch.level_journal l
    ON l.hub = i.hub AND l.at >= i.opened AND l.at <= coalesce(i.closed, clock_timestamp());
