-- Exercises: what was made up carries the number of its drill from the detection to the message, and counts for nothing else.

CREATE TABLE hubwatch.drills (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub text NOT NULL,
    scenario text NOT NULL,
    title text NOT NULL,
    -- Where it was to be, if somebody said so.
    zone text,
    began timestamptz NOT NULL,
    -- When it is over whatever people do.
    ends timestamptz NOT NULL,
    by text NOT NULL CHECK (by <> ''),
    verified boolean NOT NULL,
    note text,
    ended timestamptz,
    ended_by text,
    CHECK (ends > began),
    CHECK ((ended IS NULL) = (ended_by IS NULL))
);
-- One at a time: whoever hears of an exercise must know which.
CREATE UNIQUE INDEX drills_one_running ON hubwatch.drills (hub) WHERE ended IS NULL;

-- What a drill makes up, and when; the detection has its name beforehand, so that it is made once.
CREATE TABLE hubwatch.drill_steps (
    drill bigint NOT NULL REFERENCES hubwatch.drills (id),
    number integer NOT NULL,
    detection text NOT NULL UNIQUE,
    due timestamptz NOT NULL,
    -- When its condition goes; NULL is at the end of the drill.
    until timestamptz,
    type text NOT NULL,
    sensor text NOT NULL,
    subject text,
    priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 4),
    score double precision NOT NULL,
    why text NOT NULL,
    sent boolean NOT NULL DEFAULT false,
    over boolean NOT NULL DEFAULT false,
    PRIMARY KEY (drill, number)
);
CREATE INDEX drill_steps_open ON hubwatch.drill_steps (due) WHERE NOT over;

ALTER TABLE hubwatch.detection ADD COLUMN exercise bigint REFERENCES hubwatch.drills (id);
ALTER TABLE hubwatch.incidents ADD COLUMN exercise bigint REFERENCES hubwatch.drills (id);
ALTER TABLE hubwatch.alarms ADD COLUMN exercise bigint REFERENCES hubwatch.drills (id);
CREATE INDEX alarms_exercise ON hubwatch.alarms (exercise, id) WHERE exercise IS NOT NULL;
-- A condition that is made up has an alarm of its own beside the one that is real.
DROP INDEX hubwatch.alarms_one_open;
CREATE UNIQUE INDEX alarms_one_open ON hubwatch.alarms (hub, sensor, type, subject, exercise) NULLS NOT DISTINCT
    WHERE closed IS NULL;

-- Nobody marks as an exercise what no running drill made up: a real finding would go unheard.
CREATE FUNCTION hubwatch.check_exercise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM hubwatch.drill_steps s JOIN hubwatch.drills d ON d.id = s.drill
        WHERE s.detection = NEW.id AND s.drill = NEW.exercise AND d.hub = NEW.hub AND d.ended IS NULL)
    THEN
        RAISE EXCEPTION 'detection % is of no running drill', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER detection_exercise BEFORE INSERT ON hubwatch.detection
    FOR EACH ROW WHEN (NEW.exercise IS NOT NULL) EXECUTE FUNCTION hubwatch.check_exercise();

-- Whoever names an incident need not know that it is an exercise: it says so.
CREATE FUNCTION hubwatch.say_exercise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT starts_with(NEW.title, 'EXERCISE: ') THEN
        NEW.title := 'EXERCISE: ' || NEW.title;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER incidents_say_exercise BEFORE INSERT OR UPDATE OF title ON hubwatch.incidents
    FOR EACH ROW WHEN (NEW.exercise IS NOT NULL) EXECUTE FUNCTION hubwatch.say_exercise();

-- What is real and what is an exercise are never one incident, whoever moves alarms between incidents.
CREATE FUNCTION hubwatch.refuse_mixed_incident() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT i.exercise FROM hubwatch.incidents i WHERE i.id = NEW.incident) IS DISTINCT FROM NEW.exercise THEN
        RAISE EXCEPTION 'an exercise and what is real cannot be one incident' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER alarms_not_mixed BEFORE UPDATE OF incident ON hubwatch.alarms
    FOR EACH ROW WHEN (NEW.incident IS NOT NULL AND OLD.incident IS DISTINCT FROM NEW.incident)
    EXECUTE FUNCTION hubwatch.refuse_mixed_incident();

CREATE OR REPLACE VIEW hubwatch.detections AS
SELECT d.id, d.type, d.hub, d.sensor, d.subject, d.start, coalesce(d."end", e."end") AS "end", d.detected, d.score,
    d.priority, d.detector, d.version, d.late, d.why, d.evidence, greatest(d.score, e.score) AS peak, d.exercise
FROM hubwatch.detection d LEFT JOIN hubwatch.detection_ends e ON e.id = d.id;

CREATE OR REPLACE VIEW hubwatch.alarm_telling AS
SELECT a.id AS alarm, a.hub, a.zone, a.sensor, a.type, a.priority, a.state, t.told, u.untold_since,
    coalesce(u.tries, 0) AS tries, coalesce(u.given_up, false) AS given_up, u.routes, a.exercise
FROM hubwatch.alarms a
CROSS JOIN LATERAL (
    SELECT max(journal) FILTER (WHERE o.state = 'delivered') AS journal,
        max(finished) FILTER (WHERE o.state = 'delivered') AS told
    FROM hubwatch.notification_outbox o WHERE o.alarm = a.id
) t
CROSS JOIN LATERAL (
    SELECT min(queued) AS untold_since, max(attempts) AS tries, bool_and(o.state <> 'waiting') AS given_up,
        array_agg(DISTINCT o.route) AS routes
    FROM hubwatch.notification_outbox o
    WHERE o.alarm = a.id AND o.journal > coalesce(t.journal, 0) AND o.state <> 'withdrawn'
) u;

CREATE OR REPLACE VIEW hubwatch.judged_alarms AS
SELECT a.id AS alarm, a.hub, a.sensor, a.type, d.detector, a.opened, a.peak, j.verdict, j.at AS judged, j.by, j.note
FROM hubwatch.alarms a
LEFT JOIN LATERAL (SELECT o.detector FROM hubwatch.alarm_detection b JOIN hubwatch.detection o ON o.id = b.detection
    WHERE b.alarm = a.id ORDER BY o.arrived LIMIT 1) d ON true
LEFT JOIN LATERAL (SELECT * FROM hubwatch.adjudications n WHERE n.alarm = a.id ORDER BY n.id DESC LIMIT 1) j ON true
WHERE a.exercise IS NULL;

CREATE OR REPLACE VIEW hubwatch.suppressed AS
SELECT a.hub, 'alarm' AS what, a.id, a.state AS kind, a.zone, a.sensor, ARRAY[a.type] AS types, a.priority,
    j.at AS since, a.shelved_until AS until, j.by,
    CASE WHEN a.exercise IS NULL THEN j.note ELSE 'EXERCISE: ' || coalesce(j.note, '') END AS reason, NULL::text AS agreed_by
FROM hubwatch.alarms a
LEFT JOIN LATERAL (SELECT n.at, n.by, n.note FROM hubwatch.alarm_journal n
    WHERE n.alarm = a.id AND n.to_state = a.state AND n.from_state IS DISTINCT FROM n.to_state
    ORDER BY n.id DESC LIMIT 1) j ON true
WHERE a.state IN ('shelved', 'suppressed', 'out_of_service')
UNION ALL
SELECT s.hub, 'expected', s.id, s.kind, s.zone, s.sensor, s.types, CASE WHEN s.critical THEN 1 ELSE 2 END,
    s.starts, s.ends, s.by, s.reason, s.agreed_by
FROM hubwatch.alarm_suppression s WHERE s.lifted IS NULL AND s.ends > clock_timestamp();

-- Key figures are of what is real.
CREATE OR REPLACE VIEW hubwatch.alarm_presented AS
SELECT j.id, j.at, j.alarm, a.hub, a.zone, a.sensor, a.type, a.priority, j.action
FROM hubwatch.alarm_journal j JOIN hubwatch.alarms a ON a.id = j.alarm
WHERE j.action IN ('opened', 'raised', 'recurred', 'shelf_expired', 'released', 'realarmed')
    AND j.to_state NOT IN ('suppressed', 'out_of_service', 'normal', 'acknowledged')
    -- What lies after now is from before the clock was set back: it is of no hour that can be counted yet.
    AND j.at <= now() + INTERVAL '1 minute' AND a.exercise IS NULL;

CREATE OR REPLACE VIEW hubwatch.alarm_chattering AS
SELECT hub, alarm, sensor, type, max(within_minute) AS within_minute, min(at) AS since FROM (
    SELECT a.hub, j.alarm, a.sensor, a.type, j.at,
        count(*) OVER (PARTITION BY j.alarm ORDER BY j.at RANGE BETWEEN INTERVAL '1 minute' PRECEDING AND CURRENT ROW)
            AS within_minute
    FROM hubwatch.alarm_journal j JOIN hubwatch.alarms a ON a.id = j.alarm
    WHERE j.action IN ('opened', 'repeated', 'recurred', 'reopened', 'raised') AND j.at > now() - INTERVAL '24 hours'
        AND j.at <= now() + INTERVAL '1 minute' AND a.exercise IS NULL
) seen WHERE within_minute >= 3 GROUP BY hub, alarm, sensor, type;

CREATE OR REPLACE VIEW hubwatch.alarm_figures AS
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
        AND a.exercise IS NULL
)
SELECT h.hub,
    (SELECT count(*) FROM presented p WHERE p.hub = h.hub) / 24.0 AS per_hour,
    (SELECT count(*) FROM (SELECT FROM presented p WHERE p.hub = h.hub
        GROUP BY floor(extract(epoch FROM p.at) / 600) HAVING count(*) > 10) floods) / 144.0 AS flood_share,
    (SELECT sum(n) / max(whole) FROM ranked r WHERE r.hub = h.hub AND r.place <= 10) AS top_10_share,
    (SELECT count(*) FROM hubwatch.alarms a WHERE a.hub = h.hub AND a.closed IS NULL AND a.exercise IS NULL
        AND a.state IN ('unacknowledged', 'acknowledged', 'returned') AND a.opened < now() - INTERVAL '24 hours') AS stale,
    (SELECT count(*) FROM hubwatch.alarm_chattering c WHERE c.hub = h.hub) AS chattering,
    (SELECT count(*) FROM hubwatch.alarms a WHERE a.hub = h.hub AND a.state = 'shelved' AND a.exercise IS NULL) AS shelved,
    (SELECT count(*) FROM hubwatch.alarms a WHERE a.hub = h.hub AND a.state IN ('suppressed', 'out_of_service')
        AND a.exercise IS NULL) AS suppressed,
    t.p50 AS acknowledged_p50_s, t.p95 AS acknowledged_p95_s
FROM hubwatch.hubs h
LEFT JOIN LATERAL (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(k.seconds, 0)) AS p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY greatest(k.seconds, 0)) AS p95
    FROM taken k WHERE k.hub = h.hub) t ON true;

-- An exercise is neither cause nor symptom of what is real.
CREATE OR REPLACE VIEW hubwatch.alarm_causes AS
SELECT a.hub, a.id AS alarm, c.id AS cause
FROM hubwatch.alarms a
LEFT JOIN hubwatch.sensors s ON s.hub = a.hub AND s.sensor = a.sensor
CROSS JOIN LATERAL (
    SELECT c.id FROM hubwatch.alarms c
    WHERE c.hub = a.hub AND c.closed IS NULL AND c.active > 0 AND c.id <> a.id AND c.exercise IS NOT DISTINCT FROM a.exercise
        AND ((c.type = 'integrity.agent_offline' AND c.sensor = s.agent)
            OR (c.type = 'power.lost' AND c.zone = coalesce(a.zone, s.zone)))
    ORDER BY c.type = 'power.lost' DESC, c.id LIMIT 1
) c
WHERE a.closed IS NULL AND a.priority > 1 AND a.type LIKE 'integrity.%' AND a.type NOT LIKE '%.tamper';

-- A drill as it went: each alarm of it, who was told by what, and who answered when.
CREATE VIEW hubwatch.drill_alarms AS
SELECT d.id AS drill, d.hub, a.id AS alarm, a.type, a.zone, a.sensor, a.priority, a.state,
    (SELECT min(j.at) FROM hubwatch.alarm_journal j WHERE j.alarm = a.id) AS opened,
    r.at AS answered, r.by AS answered_by, r.action AS answer,
    (SELECT count(*) FROM hubwatch.alarm_journal j WHERE j.alarm = a.id AND j.action = 'escalated') AS steps_told
FROM hubwatch.drills d JOIN hubwatch.alarms a ON a.exercise = d.id
LEFT JOIN LATERAL (SELECT j.at, j.by, j.action FROM hubwatch.alarm_journal j
    WHERE j.alarm = a.id AND j.action IN ('acknowledged', 'shelved') ORDER BY j.id LIMIT 1) r ON true;

CREATE VIEW hubwatch.drill_told AS
SELECT a.exercise AS drill, a.hub, o.alarm, j.action AS event, split_part(o.route, '/', 1) AS route,
    nullif(split_part(o.route, '/', 2), '') AS person, o.state, o.queued, o.finished, o.attempts,
    (SELECT n.error FROM hubwatch.notifications n WHERE n.message = o.id AND n.error IS NOT NULL ORDER BY n.id DESC LIMIT 1)
        AS error
FROM hubwatch.notification_outbox o JOIN hubwatch.alarms a ON a.id = o.alarm
JOIN hubwatch.alarm_journal j ON j.id = o.journal
WHERE a.exercise IS NOT NULL;
