-- record: keeps a dead letter, or counts it when the same one is there
INSERT INTO hubwatch.dead_letters AS d (topic, payload, reason, first_seen, last_seen, hub, agent, epoch, seq, kind,
    digest)
SELECT %s, %s, %s, seen, seen, %s, %s, %s, %s, %s, %s
FROM (SELECT LEAST(TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond', clock_timestamp()) AS seen) m
ON CONFLICT (digest) DO UPDATE
SET count = d.count + 1, reason = excluded.reason, kind = coalesce(excluded.kind, d.kind), replayed = NULL,
    last_seen = CASE WHEN d.last_seen <= clock_timestamp() THEN greatest(d.last_seen, excluded.last_seen)
        ELSE excluded.last_seen END;

-- know_epoch: makes the epoch known whose frame a dead letter is
SELECT hubwatch.know_refused_epoch(%s, %s, %s);

-- list: dead letters, newest first, without their payloads
SELECT id, topic, reason, hub, agent, first_seen, last_seen, count, octet_length(payload), replayed, kind, replay_asked,
    replay_failed
FROM hubwatch.dead_letters
WHERE (%(all)s OR replayed IS NULL) AND (%(contains)s::text IS NULL OR strpos(reason, %(contains)s) > 0)
    AND (%(hubs)s::text[] IS NULL OR hub = ANY (%(hubs)s::text[]))
    AND (%(before)s::bigint IS NULL OR (last_seen, id) < (%(seen)s::timestamptz, %(before)s))
ORDER BY last_seen DESC, id DESC LIMIT %(most)s;

-- count: how many there are of them
SELECT count(*) FROM hubwatch.dead_letters
WHERE (%(all)s OR replayed IS NULL) AND (%(contains)s::text IS NULL OR strpos(reason, %(contains)s) > 0)
    AND (%(hubs)s::text[] IS NULL OR hub = ANY (%(hubs)s::text[]));

-- show: one dead letter with its payload
SELECT id, topic, reason, hub, agent, first_seen, last_seen, count, octet_length(payload), replayed, kind, payload, replay_asked,
    replay_failed
FROM hubwatch.dead_letters WHERE id = %s;

-- waiting: ids of dead letters that were not replayed, oldest first
SELECT id FROM hubwatch.dead_letters
WHERE replayed IS NULL AND (%(contains)s::text IS NULL OR strpos(reason, %(contains)s) > 0) ORDER BY id;

-- replayed: remembers that a dead letter was stored after all
UPDATE hubwatch.dead_letters SET replayed = clock_timestamp(), replay_asked = NULL, replay_failed = NULL WHERE id = %s;

-- still_dead: remembers why a dead letter was not stored when that was asked for
UPDATE hubwatch.dead_letters SET replay_asked = NULL, replay_failed = %s WHERE id = %s;

-- ask: asks that dead letters be tried again
UPDATE hubwatch.dead_letters SET replay_asked = clock_timestamp(), replay_asked_by = %(by)s, replay_failed = NULL
WHERE replayed IS NULL AND (%(number)s::bigint IS NULL OR id = %(number)s::bigint)
    AND (%(contains)s::text IS NULL OR strpos(reason, %(contains)s) > 0)
    AND (%(hubs)s::text[] IS NULL OR hub = ANY (%(hubs)s::text[]))
RETURNING id;

-- asked: dead letters that somebody wants tried again, who has waited longest first
SELECT id FROM hubwatch.dead_letters WHERE replay_asked IS NOT NULL AND replayed IS NULL ORDER BY replay_asked, id LIMIT %s;

-- trim: deletes dead letters beyond their bounds, remembers which frames they were; gives how many
WITH ranked AS (
    SELECT id, last_seen, row_number() OVER newest AS place, sum(octet_length(payload)) OVER newest AS bytes
    FROM hubwatch.dead_letters WINDOW newest AS (ORDER BY last_seen DESC, id DESC)
), gone AS (
    DELETE FROM hubwatch.dead_letters d USING ranked r, hubwatch.dead_letter_bounds b
    WHERE d.id = r.id
        AND (r.last_seen < hubwatch.deletion_clock() - b.keep OR r.place > b.most_letters OR r.bytes > b.most_bytes)
    RETURNING d.hub, d.agent, d.epoch, d.seq
), remembered AS (
    INSERT INTO hubwatch.dead_frame (epoch_id, seq)
    SELECT DISTINCT e.id, g.seq FROM gone g JOIN hubwatch.epoch e USING (hub, agent, epoch) WHERE g.seq IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM gone;
