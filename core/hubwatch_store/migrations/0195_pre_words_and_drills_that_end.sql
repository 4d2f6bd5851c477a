-- An alarm that came back after somebody had said what it was is not judged: the word was said of less than there is now.
CREATE INDEX alarm_journal_reopened ON hubwatch.alarm_journal (alarm, at) WHERE action = 'reopened';
CREATE OR REPLACE VIEW hubwatch.judged_alarms AS
SELECT a.id AS alarm, a.hub, a.sensor, a.type, d.detector, a.opened, a.peak, j.verdict, j.at AS judged, j.by, j.note
FROM hubwatch.alarms a
LEFT JOIN LATERAL (SELECT o.detector FROM hubwatch.alarm_detection b JOIN hubwatch.detection o ON o.id = b.detection
    WHERE b.alarm = a.id ORDER BY o.arrived LIMIT 1) d ON true
LEFT JOIN LATERAL (SELECT * FROM hubwatch.adjudications n WHERE n.alarm = a.id ORDER BY n.id DESC LIMIT 1) j
    ON NOT EXISTS (SELECT FROM hubwatch.alarm_journal r
        WHERE r.alarm = a.id AND r.action = 'reopened' AND r.at > j.at)
WHERE a.exercise IS NULL;

-- Which incidents a drill has left open.
CREATE INDEX incidents_exercise_open ON hubwatch.incidents (exercise) WHERE closed IS NULL AND exercise IS NOT NULL;
