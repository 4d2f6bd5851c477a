-- neighbours: alarms of open incidents of a hub that opened near a moment
SELECT a.incident, a.zone, a.priority, a.opened FROM hubwatch.alarms a
JOIN hubwatch.incidents i ON i.id = a.incident
WHERE i.hub = %(hub)s AND i.closed IS NULL AND a.opened BETWEEN %(since)s AND %(until)s
ORDER BY a.opened DESC, a.id DESC;

-- open: begin an incident
INSERT INTO hubwatch.incidents (hub, opened, title, alarms) VALUES (%(hub)s, %(opened)s, %(title)s, 1) RETURNING id;

-- join: count one more alarm in an incident
UPDATE hubwatch.incidents SET alarms = alarms + 1, opened = least(opened, %(opened)s) WHERE id = %(id)s;

-- close_when_done: close an incident when none of its alarms is open
UPDATE hubwatch.incidents SET closed = %(at)s
WHERE id = %(id)s AND closed IS NULL
    AND NOT EXISTS (SELECT FROM hubwatch.alarms WHERE incident = %(id)s AND closed IS NULL);

-- reopen: open an incident again, because one of its alarms is open again
UPDATE hubwatch.incidents SET closed = NULL WHERE id = %(id)s AND closed IS NOT NULL;
