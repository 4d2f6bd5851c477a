-- add: store detections; those that are there already stay as they are
INSERT INTO hubwatch.detection (id, type, hub, sensor, subject, start, "end", detected, score, priority, detector,
    version, late, why, evidence)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO NOTHING;

-- end_because: store the ends of detections that nobody watches any more, with the reason; the first one said stays
INSERT INTO hubwatch.detection_ends (id, "end", detected, why, score) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (id) DO NOTHING;

-- unended: detections that have not ended, at some hubs or at all
SELECT d.id, d.hub, d.sensor, d.detector, d.version FROM hubwatch.detection d
WHERE d."end" IS NULL AND d.exercise IS NULL AND NOT EXISTS (SELECT FROM hubwatch.detection_ends e WHERE e.id = d.id)
    AND (%(hubs)s::text[] IS NULL OR d.hub = ANY (%(hubs)s::text[])) ORDER BY d.arrived;

-- end: store the ends of detections; the first one said stays
INSERT INTO hubwatch.detection_ends (id, "end", detected) VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING;

-- one: a detection by its id
SELECT id, type, hub, sensor, subject, start, "end", detected, score, priority, detector, version, late, why, evidence
FROM hubwatch.detections WHERE id = %s;
