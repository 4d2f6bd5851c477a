-- add: store detections; those that are there already stay as they are
INSERT INTO hubwatch.detection (id, type, hub, sensor, subject, start, "end", detected, score, priority, detector,
    version, late, why, evidence)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO NOTHING;

-- end: store the ends of detections; the first one said stays
INSERT INTO hubwatch.detection_ends (id, "end", detected) VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING;
