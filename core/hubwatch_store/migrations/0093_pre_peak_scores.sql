-- A detection is never changed, and its score is that of the moment in which it was made. How high it came in the end is
-- said with its end.
ALTER TABLE hubwatch.detection_ends ADD COLUMN score double precision;

CREATE OR REPLACE VIEW hubwatch.detections AS
SELECT d.id, d.type, d.hub, d.sensor, d.subject, d.start, coalesce(d."end", e."end") AS "end", d.detected, d.score,
    d.priority, d.detector, d.version, d.late, d.why, d.evidence, greatest(d.score, e.score) AS peak
FROM hubwatch.detection d LEFT JOIN hubwatch.detection_ends e ON e.id = d.id;

-- The highest of all detections of an alarm.
ALTER TABLE hubwatch.alarms ADD COLUMN peak double precision NOT NULL DEFAULT 0;
UPDATE hubwatch.alarms SET peak = score;
