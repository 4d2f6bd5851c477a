-- neighbours: the newest alarms of a hub that opened near a moment and are of an open incident: of those that are real, or of a drill
-- Each alarm asks for its incident by number: joined, and with no statistics of a flood yet, each incident read all alarms.
SELECT a.incident, a.zone, a.priority, a.opened FROM hubwatch.alarms a
WHERE a.hub = %(hub)s AND a.opened BETWEEN %(since)s AND %(until)s AND a.exercise IS NOT DISTINCT FROM %(exercise)s::bigint
    AND (SELECT i.closed IS NULL FROM hubwatch.incidents i WHERE i.id = a.incident)
ORDER BY a.opened DESC, a.id DESC LIMIT %(most)s;

-- neighbours_by_zone: the same where there are more of them: of each zone, critical or not, only the few newest
-- Older ones of the same zone would say nothing else. From one zone to the next it goes by the index, past all between.
WITH RECURSIVE place (zone, grave) AS (
    (SELECT coalesce(a.zone, ''), a.priority = 1 FROM hubwatch.alarms a WHERE a.hub = %(hub)s
    ORDER BY coalesce(a.zone, ''), (a.priority = 1) LIMIT 1)
    UNION ALL
    SELECT n.zone, n.grave FROM place p CROSS JOIN LATERAL (
        SELECT coalesce(a.zone, '') AS zone, a.priority = 1 AS grave FROM hubwatch.alarms a
        WHERE a.hub = %(hub)s AND (coalesce(a.zone, ''), (a.priority = 1)) > (p.zone, p.grave)
        ORDER BY coalesce(a.zone, ''), (a.priority = 1) LIMIT 1
    ) n
)
SELECT a.incident, a.zone, a.priority, a.opened
FROM place p CROSS JOIN LATERAL (
    SELECT n.* FROM hubwatch.alarms n
    WHERE n.hub = %(hub)s AND coalesce(n.zone, '') = p.zone AND (n.priority = 1) = p.grave
        AND n.opened BETWEEN %(since)s AND %(until)s AND n.exercise IS NOT DISTINCT FROM %(exercise)s::bigint
        AND (SELECT i.closed IS NULL FROM hubwatch.incidents i WHERE i.id = n.incident)
    ORDER BY n.opened DESC LIMIT 5
) a ORDER BY a.opened DESC, a.id DESC;

-- of_cause: the open incident of the alarm that a new one is a symptom of, as hubwatch.alarm_causes has it
-- Whether its type may be a symptom is known before.
WITH RECURSIVE here AS (
    SELECT s.agent, coalesce(%(zone)s::text, s.zone) AS zone
    FROM (SELECT) new LEFT JOIN hubwatch.sensors s ON s.hub = %(hub)s AND s.sensor = %(sensor)s
), above (supply, steps) AS (
    SELECT f.supply, 1 FROM here h JOIN hubwatch.power_feeds f ON f.hub = %(hub)s AND (f.what, f.fed) IN
        (('sensor', %(sensor)s), ('agent', coalesce(h.agent, %(sensor)s)), ('zone', h.zone))
    UNION
    SELECT f.supply, b.steps + 1 FROM above b
    JOIN hubwatch.power_feeds f ON f.hub = %(hub)s AND f.what = 'sensor' AND f.fed = b.supply WHERE b.steps <= 8
), cause AS (
    SELECT o.*, b.steps FROM above b JOIN hubwatch.alarms o
        ON o.hub = %(hub)s AND o.type = 'power.lost' AND o.sensor = b.supply AND o.closed IS NULL
    UNION ALL
    SELECT o.*, 0 FROM here h JOIN hubwatch.alarms o
        ON o.hub = %(hub)s AND o.type = 'power.lost' AND o.zone = h.zone AND o.closed IS NULL
    WHERE starts_with(%(type)s, 'integrity.')
        AND NOT EXISTS (SELECT FROM hubwatch.power_feeds f WHERE f.hub = o.hub AND f.supply = o.sensor)
    UNION ALL
    SELECT o.*, -1 FROM here h JOIN hubwatch.alarms o
        ON o.hub = %(hub)s AND o.type = 'integrity.agent_offline' AND o.sensor = h.agent AND o.closed IS NULL
    WHERE starts_with(%(type)s, 'integrity.')
)
SELECT c.incident FROM cause c
WHERE c.active > 0 AND c.exercise IS NOT DISTINCT FROM %(exercise)s::bigint
    AND (SELECT i.closed IS NULL FROM hubwatch.incidents i WHERE i.id = c.incident)
ORDER BY c.steps DESC, c.id LIMIT 1;

-- open: begin an incident
INSERT INTO hubwatch.incidents (hub, opened, title, alarms, priority, exercise)
VALUES (%(hub)s, %(opened)s, %(title)s, 1, %(priority)s, %(exercise)s) RETURNING id;

-- join: count one more alarm in an incident
UPDATE hubwatch.incidents SET alarms = alarms + 1, opened = least(opened, %(opened)s) WHERE id = %(id)s;

-- close_when_done: close an incident when none of its alarms is open, nobody has it and nobody has said anything of it
WITH done AS (
    UPDATE hubwatch.incidents i SET closed = %(at)s
    WHERE id = %(id)s AND closed IS NULL AND comments = 0 AND assigned IS NULL
        AND NOT EXISTS (SELECT FROM hubwatch.alarms WHERE incident = %(id)s AND closed IS NULL)
    RETURNING id, hub
)
INSERT INTO hubwatch.incident_journal (incident, hub, at, action, by) SELECT id, hub, %(at)s, 'closed', 'system' FROM done;

-- reopen: open an incident again, because one of its alarms is open again; what somebody had said it was no longer stands
WITH former AS (
    SELECT id, hub, verdict, judged_by FROM hubwatch.incidents
    WHERE id = %(id)s AND closed IS NOT NULL AND merged_into IS NULL FOR UPDATE
), opened AS (
    UPDATE hubwatch.incidents i SET closed = NULL, verdict = NULL, judged = NULL, judged_by = NULL
    FROM former f WHERE i.id = f.id
)
INSERT INTO hubwatch.incident_journal (incident, hub, action, by, alarm, note)
SELECT id, hub, 'reopened', 'system', %(alarm)s, 'that it was ' || verdict || ', as ' || judged_by || ' said, no longer stands'
FROM former;

-- one: one incident
SELECT id, hub, opened, closed, title, alarms, priority, assigned, comments, merged_into, verdict, judged, judged_by
FROM hubwatch.incidents WHERE id = %(id)s;

-- open_alarms: the alarms of an incident that are open, the most urgent first
SELECT * FROM hubwatch.alarms WHERE incident = %(id)s AND closed IS NULL ORDER BY priority, id;

-- alarms_of: alarms of an incident, those that are open first, the most urgent among them first
SELECT * FROM hubwatch.alarms WHERE incident = %(id)s ORDER BY closed IS NOT NULL, priority, opened, id LIMIT %(most)s;

-- list_incidents: incidents, those first of which nobody has taken an alarm, then by how severe they are; closed ones last
-- Closed ones come by when they closed, the newest first, hub by hub from the index of their ends. Each has a place in that order.
WITH RECURSIVE ends AS (
    (SELECT hub FROM hubwatch.incidents
    WHERE %(closed)s AND %(id)s::bigint IS NULL AND closed IS NOT NULL AND merged_into IS NULL ORDER BY hub LIMIT 1)
    UNION ALL
    SELECT (SELECT n.hub FROM hubwatch.incidents n
        WHERE n.closed IS NOT NULL AND n.merged_into IS NULL AND n.hub > e.hub ORDER BY n.hub LIMIT 1)
    FROM ends e WHERE e.hub IS NOT NULL
)
SELECT i.id, i.hub, i.opened, i.closed, i.title, i.alarms, coalesce(i.priority, a.priority, 4) AS priority,
    coalesce(a.open, 0) AS open, coalesce(a.untaken, 0) AS untaken, a.zones, i.assigned, i.comments, i.merged_into, i.verdict,
    i.judged, i.judged_by, i.exercise, k.place
FROM (
    SELECT o.* FROM hubwatch.incidents o
    WHERE o.closed IS NULL AND (%(hub)s::text IS NULL OR o.hub = %(hub)s)
        AND (%(seen)s::text[] IS NULL OR o.hub = ANY (%(seen)s)) AND (%(id)s::bigint IS NULL OR o.id = %(id)s)
    UNION ALL
    (SELECT c.* FROM ends e CROSS JOIN LATERAL (
        SELECT n.* FROM hubwatch.incidents n
        WHERE n.hub = e.hub AND n.closed IS NOT NULL AND n.merged_into IS NULL
            AND (n.closed, n.id) < (%(before)s::timestamptz, %(before_id)s::bigint)
        ORDER BY n.closed DESC, n.id DESC LIMIT %(most)s
    ) c
    WHERE (%(hub)s::text IS NULL OR e.hub = %(hub)s) AND (%(seen)s::text[] IS NULL OR e.hub = ANY (%(seen)s))
    ORDER BY c.closed DESC, c.id DESC LIMIT %(most)s)
    UNION ALL
    SELECT c.* FROM hubwatch.incidents c WHERE c.id = %(id)s AND c.closed IS NOT NULL
) i
LEFT JOIN LATERAL (
    SELECT min(a.priority) AS priority, count(*) FILTER (WHERE a.closed IS NULL) AS open,
        count(*) FILTER (WHERE a.state IN ('unacknowledged', 'returned')) AS untaken,
        array_agg(DISTINCT a.zone ORDER BY a.zone) FILTER (WHERE a.zone IS NOT NULL) AS zones
    FROM hubwatch.alarms a WHERE a.incident = i.id
) a ON true
CROSS JOIN LATERAL (SELECT ARRAY[(i.closed IS NOT NULL)::int, (i.closed IS NULL AND i.exercise IS NOT NULL)::int,
    (i.closed IS NULL AND coalesce(a.untaken, 0) = 0)::int,
    CASE WHEN i.closed IS NULL THEN coalesce(i.priority, a.priority, 4) ELSE 0 END,
    -(date_part('epoch', coalesce(i.closed, i.opened)) * 1000000)::bigint,
    CASE WHEN i.closed IS NULL THEN i.id ELSE -i.id END]::bigint[] AS place) k
WHERE %(after)s::bigint[] IS NULL OR k.place > %(after)s::bigint[]
ORDER BY k.place LIMIT %(most)s;

-- titles_due: incidents whose alarms have changed hands since their title was made
SELECT id FROM hubwatch.incidents WHERE title_due ORDER BY id LIMIT %(most)s;

-- members: of each of some incidents the alarms that began first, and those that are most severe
SELECT i.id AS incident, i.hub, i.title, i.priority AS former, i.title_due, m.id AS alarm, m.type, m.zone, m.sensor, m.priority,
    m.opened
FROM hubwatch.incidents i CROSS JOIN LATERAL (
    (SELECT a.id, a.type, a.zone, a.sensor, a.priority, a.opened FROM hubwatch.alarms a
        WHERE a.incident = i.id ORDER BY a.opened, a.id LIMIT %(first)s)
    UNION
    (SELECT a.id, a.type, a.zone, a.sensor, a.priority, a.opened FROM hubwatch.alarms a
        WHERE a.incident = i.id ORDER BY a.priority, a.opened LIMIT 3)
) m
WHERE i.id = ANY (%(ids)s::bigint[]) ORDER BY i.id, m.opened, m.id;

-- entitle: give an incident the title and the severity that its alarms have now
UPDATE hubwatch.incidents SET title = %(title)s, priority = %(priority)s, title_due = false WHERE id = %(id)s;

-- add: write into the journal of an incident
INSERT INTO hubwatch.incident_journal (incident, hub, at, action, by, verified, note, alarm, other, verdict, person)
VALUES (%(incident)s, %(hub)s, coalesce(%(at)s, clock_timestamp()), %(action)s, %(by)s, %(verified)s, %(note)s, %(alarm)s,
    %(other)s, %(verdict)s, %(person)s);

-- comment: one comment more, which keeps it open until a person closes it
UPDATE hubwatch.incidents SET comments = comments + 1 WHERE id = %(id)s;

-- assign: somebody has it, or nobody has
UPDATE hubwatch.incidents SET assigned = %(person)s WHERE id = %(id)s;

-- take_over: alarms of another incident, and what was said of it, belong to this one
WITH moved AS (
    UPDATE hubwatch.alarms SET incident = %(id)s WHERE incident = %(other)s
), earlier AS (
    -- What was merged into the other one before is now part of this.
    UPDATE hubwatch.incidents SET merged_into = %(id)s WHERE merged_into = %(other)s
), gone AS (
    UPDATE hubwatch.incidents SET merged_into = %(id)s, closed = coalesce(closed, %(at)s), title_due = false
    WHERE id = %(other)s RETURNING opened, alarms, comments, assigned, priority
)
UPDATE hubwatch.incidents i SET alarms = i.alarms + g.alarms, opened = least(i.opened, g.opened),
    comments = i.comments + g.comments, assigned = coalesce(i.assigned, g.assigned),
    priority = least(i.priority, g.priority), title_due = true
FROM gone g WHERE i.id = %(id)s;

-- not_of: which of some alarms are none of an incident
SELECT n.alarm FROM unnest(%(alarms)s::bigint[]) n (alarm)
WHERE NOT EXISTS (SELECT FROM hubwatch.alarms a WHERE a.id = n.alarm AND a.incident = %(id)s);

-- split: begin an incident with some alarms of another one
WITH made AS (
    INSERT INTO hubwatch.incidents (hub, opened, title, alarms, priority, exercise, title_due)
    SELECT i.hub, min(a.opened), i.title, count(*), min(a.priority), i.exercise, true
    FROM hubwatch.incidents i JOIN hubwatch.alarms a ON a.incident = i.id
    WHERE i.id = %(id)s AND a.id = ANY (%(alarms)s::bigint[]) GROUP BY i.id
    RETURNING id, alarms
), moved AS (
    UPDATE hubwatch.alarms a SET incident = m.id FROM made m WHERE a.id = ANY (%(alarms)s::bigint[])
)
SELECT id FROM made;

-- left_over: what an incident has once alarms have left it
UPDATE hubwatch.incidents i SET alarms = a.alarms, opened = a.opened, priority = a.priority, title_due = true
FROM (SELECT count(*) AS alarms, min(opened) AS opened, min(priority) AS priority FROM hubwatch.alarms
    WHERE incident = %(id)s) a
WHERE i.id = %(id)s AND a.alarms > 0;

-- close: a person says what it was, which ends it
UPDATE hubwatch.incidents SET closed = coalesce(closed, %(at)s), verdict = %(verdict)s, judged = %(at)s, judged_by = %(by)s,
    comments = 0
WHERE id = %(id)s;

-- timeline: what happened in an incident after a row, in order
SELECT at, what, key, alarm, by, action, text, details FROM hubwatch.incident_timeline
WHERE incident = %(id)s AND (%(after_at)s::timestamptz IS NULL OR (at, key) > (%(after_at)s::timestamptz, %(after_key)s::text))
ORDER BY at, key LIMIT %(most)s;

-- timeline_back: what happened in an incident before a row, the newest first
SELECT at, what, key, alarm, by, action, text, details FROM hubwatch.incident_timeline
WHERE incident = %(id)s AND (%(before_at)s::timestamptz IS NULL OR (at, key) < (%(before_at)s::timestamptz, %(before_key)s::text))
ORDER BY at DESC, key DESC LIMIT %(most)s;

-- people: who has done something in an incident or with one of its alarms, whoever did so last first
SELECT by FROM (
    SELECT j.by, j.at FROM hubwatch.alarms a JOIN hubwatch.alarm_journal j ON j.alarm = a.id
    WHERE a.incident = %(id)s AND j.verified IS NOT NULL
    UNION ALL SELECT j.by, j.at FROM hubwatch.incident_journal j WHERE j.incident = %(id)s AND j.verified IS NOT NULL
) did GROUP BY by ORDER BY max(at) DESC, by LIMIT %(most)s;
