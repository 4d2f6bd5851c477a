-- begun: routes on which nothing gets through, that were not known to fail: the first attempt since they delivered last is
-- older than the bound (or from before the clock was set back), or so many were refused; what was told with another message
-- was no attempt of its own
SELECT r.route, a.hub, f.at AS since, newest.id AS after, newest.error,
    (SELECT count(*) FROM (SELECT FROM hubwatch.notifications n
        WHERE split_part(n.route, '/', 1) = r.route AND n.id >= f.id AND n.carried_by IS NULL
            AND n.outcome <> 'given_up' LIMIT 1000) tried) AS attempts
FROM unnest(%(routes)s::text[]) r (route)
CROSS JOIN LATERAL (SELECT coalesce(max(n.id), 0) AS id FROM hubwatch.notifications n
    WHERE split_part(n.route, '/', 1) = r.route AND n.outcome = 'delivered') good
CROSS JOIN LATERAL (SELECT n.id, n.at, n.alarm FROM hubwatch.notifications n
    WHERE split_part(n.route, '/', 1) = r.route AND n.id > good.id ORDER BY n.id LIMIT 1) f
CROSS JOIN LATERAL (SELECT n.id, n.error FROM hubwatch.notifications n
    WHERE split_part(n.route, '/', 1) = r.route AND n.id > good.id
    ORDER BY n.outcome = 'sending', n.id DESC LIMIT 1) newest
JOIN hubwatch.alarms a ON a.id = f.alarm
WHERE NOT EXISTS (SELECT FROM hubwatch.route_failures k WHERE k.route = r.route)
    AND (f.at NOT BETWEEN clock_timestamp() - %(after_s)s * interval '1 s' AND clock_timestamp()
        OR (SELECT count(*) FROM (SELECT FROM hubwatch.notifications n
            WHERE split_part(n.route, '/', 1) = r.route AND n.id > good.id AND n.outcome = 'refused'
                AND n.carried_by IS NULL
            LIMIT %(refusals)s) refused) >= %(refusals)s)
    -- What is just being sent may get through: it says nothing of the route yet.
    AND EXISTS (SELECT FROM hubwatch.notification_outbox o JOIN hubwatch.notifications n ON n.message = o.id
        WHERE o.state = 'waiting' AND split_part(o.route, '/', 1) = r.route AND n.id > good.id
            AND (n.outcome <> 'sending'
                OR n.at NOT BETWEEN clock_timestamp() - %(after_s)s * interval '1 s' AND clock_timestamp()))
ORDER BY r.route;

-- keep: note that a route fails; nothing when that is known
INSERT INTO hubwatch.route_failures (route, detection, since, after)
VALUES (%(route)s, %(id)s, %(since)s, %(after)s) ON CONFLICT DO NOTHING RETURNING route;

-- tell: make a detection of it
INSERT INTO hubwatch.detection (id, type, hub, sensor, subject, start, "end", detected, score, priority, detector, version,
    late, why)
VALUES (%(id)s, %(type)s, %(hub)s, 'alarms', %(route)s, %(since)s, NULL, %(now)s, %(score)s, %(priority)s, 'alarms', 1,
    false, %(why)s);

-- over: take away the failures of routes that have delivered since, or that there are no more
DELETE FROM hubwatch.route_failures k
WHERE k.route <> ALL (%(routes)s::text[]) OR EXISTS (SELECT FROM hubwatch.notifications n
    WHERE split_part(n.route, '/', 1) = k.route AND n.outcome = 'delivered' AND n.id > k.after)
RETURNING k.route, k.detection, k.route <> ALL (%(routes)s::text[]) AS gone;

-- end: end the detection of one
INSERT INTO hubwatch.detection_ends (id, "end", detected, why) VALUES (%(detection)s, %(now)s, %(now)s, %(why)s)
ON CONFLICT (id) DO NOTHING;
