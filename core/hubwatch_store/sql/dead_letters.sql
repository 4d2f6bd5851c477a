-- record: keeps a dead letter, or counts it when the same one is there
INSERT INTO hubwatch.dead_letters AS d (topic, payload, reason, first_seen, last_seen, hub, agent, epoch, seq, digest)
SELECT %s, %s, %s, seen, seen, %s, %s, %s, %s, %s
FROM (SELECT TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond' AS seen) m
ON CONFLICT (digest) DO UPDATE
SET count = d.count + 1, reason = excluded.reason, last_seen = greatest(d.last_seen, excluded.last_seen),
    replayed = NULL;

-- list: dead letters, newest first, without their payloads
SELECT id, topic, reason, hub, agent, first_seen, last_seen, count, octet_length(payload), replayed
FROM hubwatch.dead_letters
WHERE (%(all)s OR replayed IS NULL) AND (%(contains)s::text IS NULL OR strpos(reason, %(contains)s) > 0)
ORDER BY last_seen DESC, id DESC LIMIT %(most)s;

-- show: one dead letter with its payload
SELECT id, topic, reason, hub, agent, first_seen, last_seen, count, octet_length(payload), replayed, payload
FROM hubwatch.dead_letters WHERE id = %s;

-- waiting: ids of dead letters that were not replayed, oldest first
SELECT id FROM hubwatch.dead_letters
WHERE replayed IS NULL AND (%(contains)s::text IS NULL OR strpos(reason, %(contains)s) > 0) ORDER BY id;

-- replayed: remembers that a dead letter was stored after all
UPDATE hubwatch.dead_letters SET replayed = clock_timestamp() WHERE id = %s;
