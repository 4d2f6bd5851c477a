-- The key figures of IEC 62682 (and EEMUA 191), from the journal alone: what people were told of, and how soon it was taken.
CREATE INDEX alarm_journal_told ON hubwatch.alarm_journal (at) WHERE action IN ('opened', 'raised', 'recurred',
    'shelf_expired', 'released', 'realarmed', 'reopened', 'acknowledged');

-- Every time an alarm was presented to people.
CREATE VIEW hubwatch.alarm_presented AS
SELECT j.id, j.at, j.alarm, a.hub, a.zone, a.sensor, a.type, a.priority, j.action
FROM hubwatch.alarm_journal j JOIN hubwatch.alarms a ON a.id = j.alarm
WHERE j.action IN ('opened', 'raised', 'recurred', 'shelf_expired', 'released', 'realarmed')
    AND j.to_state NOT IN ('suppressed', 'out_of_service', 'normal', 'acknowledged')
    -- What lies after now is from before the clock was set back: it is of no hour that can be counted yet.
    AND j.at <= now() + INTERVAL '1 minute';

-- Alarms presented in each hour of each hub; an hour without one has no row.
CREATE VIEW hubwatch.alarm_rate AS
SELECT hub, date_trunc('hour', at, 'UTC') AS hour, count(*) AS presented,
    count(*) FILTER (WHERE priority = 1) AS critical
FROM hubwatch.alarm_presented GROUP BY 1, 2;

-- Alarms presented in each ten minutes; more than 10 for one operator is a flood.
CREATE VIEW hubwatch.alarm_ten_minutes AS
SELECT hub, to_timestamp(floor(extract(epoch FROM at) / 600) * 600) AS since, count(*) AS presented
FROM hubwatch.alarm_presented GROUP BY 1, 2;

-- How often a condition came up within a minute: three times or more is chattering.
CREATE VIEW hubwatch.alarm_chattering AS
SELECT hub, alarm, sensor, type, max(within_minute) AS within_minute, min(at) AS since FROM (
    SELECT a.hub, j.alarm, a.sensor, a.type, j.at,
        count(*) OVER (PARTITION BY j.alarm ORDER BY j.at RANGE BETWEEN INTERVAL '1 minute' PRECEDING AND CURRENT ROW)
            AS within_minute
    FROM hubwatch.alarm_journal j JOIN hubwatch.alarms a ON a.id = j.alarm
    WHERE j.action IN ('opened', 'repeated', 'recurred', 'reopened', 'raised') AND j.at > now() - INTERVAL '24 hours'
        AND j.at <= now() + INTERVAL '1 minute'
) seen WHERE within_minute >= 3 GROUP BY hub, alarm, sensor, type;

-- The figures of the last 24 hours, a row for each hub that has agents or alarms. Shares are of 144 periods of ten minutes.
CREATE VIEW hubwatch.alarm_figures AS
WITH presented AS (
    SELECT hub, type, sensor, at FROM hubwatch.alarm_presented WHERE at > now() - INTERVAL '24 hours'
), ranked AS (
    SELECT hub, n, row_number() OVER (PARTITION BY hub ORDER BY n DESC) AS place, sum(n) OVER (PARTITION BY hub) AS whole
    FROM (SELECT hub, type, sensor, count(*) AS n FROM presented GROUP BY 1, 2, 3) kinds
), taken AS (
    SELECT a.hub, extract(epoch FROM j.at - (SELECT max(o.at) FROM hubwatch.alarm_journal o WHERE o.alarm = j.alarm
        AND o.id < j.id AND o.action IN ('opened', 'raised', 'recurred', 'shelf_expired', 'released'))) AS seconds
    FROM hubwatch.alarm_journal j JOIN hubwatch.alarms a ON a.id = j.alarm
    WHERE j.action = 'acknowledged' AND j.at BETWEEN now() - INTERVAL '24 hours' AND now() + INTERVAL '1 minute'
)
SELECT h.hub,
    (SELECT count(*) FROM presented p WHERE p.hub = h.hub) / 24.0 AS per_hour,
    (SELECT count(*) FROM (SELECT FROM presented p WHERE p.hub = h.hub
        GROUP BY floor(extract(epoch FROM p.at) / 600) HAVING count(*) > 10) floods) / 144.0 AS flood_share,
    (SELECT sum(n) / max(whole) FROM ranked r WHERE r.hub = h.hub AND r.place <= 10) AS top_10_share,
    (SELECT count(*) FROM hubwatch.alarms a WHERE a.hub = h.hub AND a.closed IS NULL
        AND a.state IN ('unacknowledged', 'acknowledged', 'returned') AND a.opened < now() - INTERVAL '24 hours') AS stale,
    (SELECT count(*) FROM hubwatch.alarm_chattering c WHERE c.hub = h.hub) AS chattering,
    (SELECT count(*) FROM hubwatch.alarms a WHERE a.hub = h.hub AND a.state = 'shelved') AS shelved,
    (SELECT count(*) FROM hubwatch.alarms a WHERE a.hub = h.hub AND a.state IN ('suppressed', 'out_of_service'))
        AS suppressed,
    t.p50 AS acknowledged_p50_s, t.p95 AS acknowledged_p95_s
FROM hubwatch.hubs h
LEFT JOIN LATERAL (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(k.seconds, 0)) AS p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY greatest(k.seconds, 0)) AS p95
    FROM taken k WHERE k.hub = h.hub) t ON true;

-- Which open alarm is the cause of another one: a sensor is silent because its agent is, or because its zone has no power.
-- What is of priority 1, duress and tampering is never the symptom of something else.
CREATE VIEW hubwatch.alarm_causes AS
SELECT a.hub, a.id AS alarm, c.id AS cause
FROM hubwatch.alarms a
LEFT JOIN hubwatch.sensors s ON s.hub = a.hub AND s.sensor = a.sensor
CROSS JOIN LATERAL (
    SELECT c.id FROM hubwatch.alarms c
    WHERE c.hub = a.hub AND c.closed IS NULL AND c.active > 0 AND c.id <> a.id
        AND ((c.type = 'integrity.agent_offline' AND c.sensor = s.agent)
            OR (c.type = 'power.lost' AND c.zone = coalesce(a.zone, s.zone)))
    ORDER BY c.type = 'power.lost' DESC, c.id LIMIT 1
) c
WHERE a.closed IS NULL AND a.priority > 1 AND a.type LIKE 'integrity.%' AND a.type NOT LIKE '%.tamper';

-- Hubs where more than ten alarms were presented in the last ten minutes.
CREATE VIEW hubwatch.alarm_floods AS
SELECT hub, min(at) AS since, count(*) AS presented FROM hubwatch.alarm_presented
WHERE at > now() - INTERVAL '10 minutes' GROUP BY hub HAVING count(*) > 10;
