-- record: keeps a dead letter, or counts it when the same one is there
INSERT INTO hubwatch.dead_letters AS d (topic, payload, reason, first_seen, last_seen, hub, agent, epoch, seq, digest)
SELECT %s, %s, %s, seen, seen, %s, %s, %s, %s, %s
FROM (SELECT TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond' AS seen) m
ON CONFLICT (digest) DO UPDATE
SET count = d.count + 1, reason = excluded.reason, last_seen = greatest(d.last_seen, excluded.last_seen),
    replayed = NULL;
