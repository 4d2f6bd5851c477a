-- neighbours: of the alarms of open incidents of a hub that opened near a moment, real ones or those of a drill, the newest of
-- each zone, critical or not: an older one of the same zone would say nothing else
SELECT incident, zone, priority, opened FROM (
    SELECT DISTINCT ON (a.zone, a.priority = 1) a.incident, a.zone, a.priority, a.opened, a.id FROM hubwatch.alarms a
    JOIN hubwatch.incidents i ON i.id = a.incident
    WHERE i.hub = %(hub)s AND i.closed IS NULL AND a.hub = %(hub)s AND a.opened BETWEEN %(since)s AND %(until)s
        AND i.exercise IS NOT DISTINCT FROM %(exercise)s::bigint
    ORDER BY a.zone, a.priority = 1, a.opened DESC, a.id DESC
) newest ORDER BY opened DESC, id DESC;

-- open: begin an incident
INSERT INTO hubwatch.incidents (hub, opened, title, alarms, exercise) VALUES (%(hub)s, %(opened)s, %(title)s, 1, %(exercise)s)
RETURNING id;

-- join: count one more alarm in an incident
UPDATE hubwatch.incidents SET alarms = alarms + 1, opened = least(opened, %(opened)s) WHERE id = %(id)s;

-- close_when_done: close an incident when none of its alarms is open
UPDATE hubwatch.incidents SET closed = %(at)s
WHERE id = %(id)s AND closed IS NULL
    AND NOT EXISTS (SELECT FROM hubwatch.alarms WHERE incident = %(id)s AND closed IS NULL);

-- reopen: open an incident again, because one of its alarms is open again
UPDATE hubwatch.incidents SET closed = NULL WHERE id = %(id)s AND closed IS NOT NULL;

-- one: one incident
SELECT id, hub, opened, closed, title, alarms FROM hubwatch.incidents WHERE id = %(id)s;

-- open_alarms: the alarms of an incident that are open, the most urgent first
SELECT * FROM hubwatch.alarms WHERE incident = %(id)s AND closed IS NULL ORDER BY priority, id;

-- list_incidents: open incidents, the most urgent first, with how many of their alarms nobody has taken
SELECT i.id, i.hub, i.opened, i.title, i.alarms, count(a.id) AS open, min(a.priority) AS priority,
    count(a.id) FILTER (WHERE a.state IN ('unacknowledged', 'returned')) AS untaken,
    array_agg(DISTINCT a.zone) FILTER (WHERE a.zone IS NOT NULL) AS zones
FROM hubwatch.incidents i JOIN hubwatch.alarms a ON a.incident = i.id AND a.closed IS NULL
WHERE i.closed IS NULL AND (%(hub)s::text IS NULL OR i.hub = %(hub)s)
    AND (%(seen)s::text[] IS NULL OR i.hub = ANY (%(seen)s))
GROUP BY i.id
ORDER BY i.exercise IS NOT NULL, count(a.id) FILTER (WHERE a.state IN ('unacknowledged', 'returned')) = 0, min(a.priority), i.opened DESC, i.id
LIMIT %(most)s;
