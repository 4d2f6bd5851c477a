-- sensors: where something can be made up: a hub's sensors and agents by kind, those of a zone first
SELECT kind, name, zone FROM (
    SELECT s.kind, s.sensor AS name, s.zone FROM hubwatch.sensors s
    WHERE s.hub = %(hub)s AND s.gone IS NULL AND s.kind IS NOT NULL
    UNION ALL SELECT 'agent', a.agent, (SELECT min(s.zone) FROM hubwatch.sensors s
        WHERE s.hub = a.hub AND s.agent = a.agent AND s.gone IS NULL AND s.zone = %(zone)s)
    FROM hubwatch.agents a WHERE a.hub = %(hub)s AND a.gone IS NULL
) found
WHERE %(zone)s::text IS NULL OR zone = %(zone)s ORDER BY kind, name;

-- add: begin a drill
INSERT INTO hubwatch.drills (hub, scenario, title, zone, began, ends, by, verified, note)
VALUES (%(hub)s, %(scenario)s, %(title)s, %(zone)s, %(began)s, %(ends)s, %(by)s, %(verified)s, %(note)s)
ON CONFLICT (hub) WHERE ended IS NULL DO NOTHING
RETURNING *;

-- add_step: what it makes up
INSERT INTO hubwatch.drill_steps (drill, number, detection, due, until, type, sensor, subject, priority, score, why)
VALUES (%(drill)s, %(number)s, %(detection)s, %(due)s, %(until)s, %(type)s, %(sensor)s, %(subject)s, %(priority)s,
    %(score)s, %(why)s);

-- running: the drill of a hub that is not over
SELECT * FROM hubwatch.drills WHERE hub = %(hub)s AND ended IS NULL;

-- one: a drill, whatever became of it
SELECT * FROM hubwatch.drills WHERE id = %(id)s;

-- list_drills: drills, the newest first
SELECT * FROM hubwatch.drills
WHERE (%(hub)s::text IS NULL OR hub = %(hub)s) AND (%(seen)s::text[] IS NULL OR hub = ANY (%(seen)s))
    AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(most)s;

-- end: end one before its time; nothing when it is over already
UPDATE hubwatch.drills SET ended = clock_timestamp(), ended_by = %(by)s WHERE id = %(id)s AND ended IS NULL RETURNING *;

-- end_due: end drills whose time is over, or that began after now because the clock was set back since
UPDATE hubwatch.drills SET ended = %(now)s, ended_by = 'system'
WHERE ended IS NULL AND (ends <= %(now)s OR began > %(now)s + INTERVAL '1 minute') RETURNING id;

-- send_due: make up what is due of the drills that run
WITH due AS (
    SELECT s.* FROM hubwatch.drill_steps s JOIN hubwatch.drills d ON d.id = s.drill
    WHERE NOT s.over AND NOT s.sent AND s.due <= %(now)s AND d.ended IS NULL ORDER BY s.due, s.drill, s.number LIMIT %(most)s
), sent AS (
    UPDATE hubwatch.drill_steps s SET sent = true FROM due WHERE s.drill = due.drill AND s.number = due.number
)
INSERT INTO hubwatch.detection (id, type, hub, sensor, subject, start, detected, score, priority, detector, version, late,
    why, exercise)
SELECT due.detection, due.type, d.hub, due.sensor, due.subject, %(now)s, %(now)s, due.score, due.priority, 'drill', 1, false,
    due.why, due.drill
FROM due JOIN hubwatch.drills d ON d.id = due.drill ORDER BY due.due, due.drill, due.number
RETURNING id;

-- end_sent: let conditions go whose time is over, and all of a drill that is; what was not made up never will be
WITH gone AS (
    UPDATE hubwatch.drill_steps s SET over = true FROM hubwatch.drills d
    WHERE d.id = s.drill AND NOT s.over AND (d.ended IS NOT NULL OR (s.sent AND s.until <= %(now)s))
    RETURNING s.detection, s.sent
)
INSERT INTO hubwatch.detection_ends (id, "end", detected, why)
SELECT detection, %(now)s, %(now)s, 'the exercise made it go' FROM gone WHERE sent
ON CONFLICT (id) DO NOTHING RETURNING id;

-- left: open alarms of drills that are over, with who ended them
SELECT a.*, d.ended_by FROM hubwatch.alarms a JOIN hubwatch.drills d ON d.id = a.exercise
WHERE a.exercise IS NOT NULL AND a.closed IS NULL AND d.ended IS NOT NULL ORDER BY a.id LIMIT %(most)s;

-- close_incidents: end what drills that are over have left open, because somebody had commented on it or had it
WITH done AS (
    UPDATE hubwatch.incidents i SET closed = %(now)s FROM hubwatch.drills d
    WHERE d.id = i.exercise AND i.exercise IS NOT NULL AND i.closed IS NULL AND d.ended IS NOT NULL
        AND NOT EXISTS (SELECT FROM hubwatch.alarms a WHERE a.incident = i.id AND a.closed IS NULL)
    RETURNING i.id, i.hub, i.exercise
)
INSERT INTO hubwatch.incident_journal (incident, hub, at, action, by, note)
SELECT id, hub, %(now)s, 'closed', 'system', 'exercise ' || exercise || ' is over' FROM done;

-- alarms: the alarms of a drill, and who answered
SELECT alarm, type, zone, sensor, priority, state, opened, answered, answered_by, answer, steps_told
FROM hubwatch.drill_alarms WHERE drill = %(id)s ORDER BY alarm;

-- told: whom a drill told, by what
SELECT alarm, event, route, person, state, queued, finished, attempts, error
FROM hubwatch.drill_told WHERE drill = %(id)s ORDER BY alarm, queued, route, person NULLS FIRST;

-- steps: what a drill makes up, and what of it was
SELECT number, due, until, type, sensor, sent FROM hubwatch.drill_steps WHERE drill = %(id)s ORDER BY number;
