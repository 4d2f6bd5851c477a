-- What people found an alarm to be, in their words, for each detection that it stood for then. The newest counts.
CREATE TABLE hubwatch.adjudications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    alarm bigint NOT NULL REFERENCES hubwatch.alarms (id),
    detection text NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('real', 'innocent', 'false', 'test', 'tamper', 'other')),
    by text NOT NULL,
    note text
);
CREATE INDEX adjudications_alarm ON hubwatch.adjudications (alarm, id);
CREATE INDEX adjudications_detection ON hubwatch.adjudications (detection, id);
CREATE TRIGGER adjudications_immutable BEFORE UPDATE OR DELETE ON hubwatch.adjudications
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();

-- A row for each alarm: which detector made it, and what people found it to be; NULL where nobody has said.
CREATE VIEW hubwatch.judged_alarms AS
SELECT a.id AS alarm, a.hub, a.sensor, a.type, d.detector, a.opened, a.peak, j.verdict, j.at AS judged, j.by, j.note
FROM hubwatch.alarms a
LEFT JOIN LATERAL (SELECT o.detector FROM hubwatch.alarm_detection b JOIN hubwatch.detection o ON o.id = b.detection
    WHERE b.alarm = a.id ORDER BY o.arrived LIMIT 1) d ON true
LEFT JOIN LATERAL (SELECT * FROM hubwatch.adjudications n WHERE n.alarm = a.id ORDER BY n.id DESC LIMIT 1) j ON true;

-- How long a hub was watched on each day (UTC): the time between frames of its agents that were stored one after the
-- other. A day without a row was not watched: that it has no alarms says nothing.
CREATE VIEW hubwatch.watched_days AS
WITH watched AS (
    SELECT hub, range_agg(tstzrange(since, until, '[]')) AS times FROM (
        SELECT hub, first_committed AS since, last_committed AS until FROM hubwatch.frame_ranges
        UNION ALL SELECT hub, min(committed), max(committed) FROM hubwatch.frames GROUP BY hub, agent, epoch
    ) r GROUP BY hub
)
SELECT w.hub, d.day::date AS day, t.seconds AS watched_s
FROM watched w
CROSS JOIN LATERAL generate_series(date_trunc('day', lower(w.times), 'UTC'), upper(w.times), INTERVAL '1 day') d (day)
CROSS JOIN LATERAL (SELECT sum(extract(epoch FROM upper(p) - lower(p)))::double precision AS seconds
    FROM unnest(w.times * tstzmultirange(tstzrange(d.day, d.day + INTERVAL '1 day'))) p) t
WHERE t.seconds > 0;

-- What each detector's alarms came to on each day (UTC). The rate is that over the watched days, also those without
-- an alarm; its interval is exact where `judged` = `alarms`, and else reaches from `false` to `false` + the others.
CREATE VIEW hubwatch.false_alarms AS
SELECT hub, (opened AT TIME ZONE 'UTC')::date AS day, detector, type, count(*) AS alarms, count(verdict) AS judged,
    count(*) FILTER (WHERE verdict = 'false') AS "false", count(*) FILTER (WHERE verdict = 'innocent') AS innocent,
    count(*) FILTER (WHERE verdict IN ('real', 'tamper')) AS "real",
    count(*) FILTER (WHERE verdict IN ('test', 'other')) AS other
FROM hubwatch.judged_alarms GROUP BY 1, 2, 3, 4;
