-- in_force: what is expected at a moment; what was made after it was so before the clock was set back, and is over
SELECT * FROM hubwatch.alarm_suppression
WHERE lifted IS NULL AND starts <= %(now)s AND ends > %(now)s AND made <= %(now)s + INTERVAL '1 minute' ORDER BY id;

-- one: one of them, whatever became of it
SELECT * FROM hubwatch.alarm_suppression WHERE id = %(id)s;

-- add: say what is expected
INSERT INTO hubwatch.alarm_suppression
    (kind, hub, zone, sensor, types, starts, ends, critical, by, verified, reason, agreed_by)
VALUES (%(kind)s, %(hub)s, %(zone)s, %(sensor)s, %(types)s, %(starts)s, %(ends)s, %(critical)s, %(by)s, %(verified)s,
    %(reason)s, %(agreed_by)s)
RETURNING *;

-- lift: end one before its time; nothing when it is over already
UPDATE hubwatch.alarm_suppression SET lifted = clock_timestamp(), lifted_by = %(by)s
WHERE id = %(id)s AND lifted IS NULL AND ends > clock_timestamp() RETURNING *;

-- watchers: how many sensors of each zone would still be heard if one sensor or zone were silent from one moment to another
SELECT s.zone, count(*) AS sensors, count(*) FILTER (WHERE NOT (
    (%(sensor)s::text IS NULL OR s.sensor = %(sensor)s) OR EXISTS (
        SELECT FROM hubwatch.alarm_suppression e
        WHERE e.kind <> 'maintenance' AND e.lifted IS NULL AND e.hub = s.hub
            AND e.starts < %(ends)s AND e.ends > greatest(%(starts)s, clock_timestamp())
            AND (e.zone IS NULL OR e.zone = s.zone) AND (e.sensor IS NULL OR e.sensor = s.sensor)
    ) OR EXISTS (SELECT FROM hubwatch.alarms a WHERE a.hub = s.hub AND a.sensor = s.sensor AND a.state = 'shelved'
        AND a.exercise IS NULL)
)) AS heard
FROM hubwatch.sensors s
WHERE s.hub = %(hub)s AND s.gone IS NULL AND s.zone IS NOT NULL
    AND (%(zone)s::text IS NULL OR s.zone = %(zone)s)
    AND (%(sensor)s::text IS NULL OR s.zone = (
        SELECT z.zone FROM hubwatch.sensors z WHERE z.hub = %(hub)s AND z.sensor = %(sensor)s))
GROUP BY s.zone;

-- measures_radiation: whether a sensor, or one of a zone or hub, measures radiation
SELECT EXISTS (SELECT FROM hubwatch.sensors s
    WHERE s.hub = %(hub)s AND s.gone IS NULL AND starts_with(s.kind, 'radiation_')
        AND (%(zone)s::text IS NULL OR s.zone = %(zone)s)
        AND (%(sensor)s::text IS NULL OR s.sensor = %(sensor)s)) AS measures;

-- causes: where there are open alarms of some types, as far as nobody expects them
SELECT DISTINCT hub, zone, sensor, type FROM hubwatch.alarms
WHERE closed IS NULL AND active > 0 AND type = ANY (%(types)s) AND state NOT IN ('suppressed', 'out_of_service')
    -- What is made up is no reason to expect what is real.
    AND exercise IS NULL;

-- reconsidered: the open alarms of some hubs, and all that are set aside because they are expected
SELECT * FROM hubwatch.alarms
WHERE closed IS NULL AND (hub = ANY (%(hubs)s) OR state IN ('suppressed', 'out_of_service')) ORDER BY priority, id;

-- bursts: the hubs where many alarms were set aside in a short time, unless that was told in that time
-- What lies after now is from before the clock was set back, and is told no second time.
SELECT hub, count(*) AS acts, min(at) AS first FROM (
    SELECT a.hub, j.at FROM hubwatch.alarm_journal j JOIN hubwatch.alarms a ON a.id = j.alarm
    WHERE j.action = 'shelved' AND a.exercise IS NULL AND j.at > %(since)s AND j.at <= clock_timestamp() + INTERVAL '1 minute'
    UNION ALL
    SELECT hub, made FROM hubwatch.alarm_suppression
    WHERE made > %(since)s AND made <= clock_timestamp() + INTERVAL '1 minute'
) act
GROUP BY hub HAVING count(*) >= %(least)s AND NOT EXISTS (SELECT FROM hubwatch.detection d
    WHERE d.hub = act.hub AND d.type = %(type)s AND d.start > %(since)s AND d.exercise IS NULL)
ORDER BY hub;

-- tell_burst: make a detection of it
INSERT INTO hubwatch.detection (id, type, hub, sensor, subject, start, "end", detected, score, priority, detector, version,
    late, why)
VALUES (%(id)s, %(type)s, %(hub)s, 'alarms', NULL, %(now)s, %(now)s, %(now)s, %(score)s, %(priority)s, 'alarms', 1,
    false, %(why)s);

-- known: whether there is such a hub, zone and sensor
SELECT EXISTS (SELECT FROM hubwatch.hubs WHERE hub = %(hub)s) AS hub,
    %(zone)s::text IS NULL OR EXISTS (SELECT FROM hubwatch.sensors WHERE hub = %(hub)s AND zone = %(zone)s AND gone IS NULL)
        AS zone,
    %(sensor)s::text IS NULL
        OR EXISTS (SELECT FROM hubwatch.sensors WHERE hub = %(hub)s AND sensor = %(sensor)s AND gone IS NULL) AS sensor;

-- suppressed: all that nobody is told of, of one hub or of all
SELECT * FROM hubwatch.suppressed
WHERE (%(hub)s::text IS NULL OR hub = %(hub)s) AND (%(seen)s::text[] IS NULL OR hub = ANY (%(seen)s))
    AND (%(after_hub)s::text IS NULL OR (hub, what, coalesce(since, 'infinity'), id)
        > (%(after_hub)s, %(after_what)s, %(after_since)s::timestamptz, %(after_id)s::bigint))
ORDER BY hub, what, coalesce(since, 'infinity'), id LIMIT %(most)s;
