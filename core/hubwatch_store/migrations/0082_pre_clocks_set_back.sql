-- A clock that was set must neither stop what waits for a time nor delete what is not old.

-- What is deleted for its age is so by a clock that goes on by at most two days from one run of retention to the next:
-- when the database's clock leaps ahead, there is time to notice before what is not old is gone.
CREATE TABLE hubwatch.deletion_state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    at timestamptz
);
INSERT INTO hubwatch.deletion_state VALUES (true, NULL);
CREATE FUNCTION hubwatch.deletion_clock() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT least(clock_timestamp(), at + INTERVAL '2 days') FROM hubwatch.deletion_state $$;

CREATE OR REPLACE VIEW hubwatch.ledger_gaps AS
WITH gaps AS (
    SELECT s.epoch_id, s.hub, s.agent, s.epoch, g.span, g.cause
    FROM hubwatch.ledger_spans s,
    LATERAL (SELECT unnest(s.dead_lettered) AS span, 'dead-lettered' AS cause
             UNION ALL SELECT unnest(s.evicted), 'evicted'
             UNION ALL SELECT unnest(s.missing), NULL) g
), seen AS (
    -- A gap is known since the frame after it was stored.
    SELECT g.*, lower(g.span) AS first_seq, upper(g.span) - 1 AS last_seq, coalesce(
        (SELECT c.at FROM hubwatch.frame f JOIN hubwatch.ledger_commit c ON c.id = f.commit_id
         WHERE f.epoch_id = g.epoch_id AND f.seq = upper(g.span)),
        (SELECT r.first_committed FROM hubwatch.frame_range r
         WHERE r.epoch_id = g.epoch_id AND r.first_seq = upper(g.span)),
        (SELECT e.first_seen FROM hubwatch.epoch e WHERE e.id = g.epoch_id)) AS since
    FROM gaps g
)
SELECT s.hub, s.agent, s.epoch, s.first_seq, s.last_seq, s.last_seq - s.first_seq + 1 AS frames,
    CASE
        WHEN s.cause IS NOT NULL THEN s.cause
        WHEN a.state = 'offline' AND a.epoch = s.epoch THEN 'agent down'
        -- A time of the future is from before the clock was set back and explains nothing.
        WHEN s.since BETWEEN clock_timestamp() - l.grace AND clock_timestamp()
            OR a.last_late BETWEEN clock_timestamp() - l.grace AND clock_timestamp()
            OR a.state_since BETWEEN clock_timestamp() - l.grace AND clock_timestamp() THEN 'link down'
        ELSE 'unexplained'
    END AS cause, s.since
FROM seen s
CROSS JOIN hubwatch.ledger_grace l
LEFT JOIN hubwatch.agents a ON a.hub = s.hub AND a.agent = s.agent;

-- Folds at most `most` frames of a bucket (epoch id modulo 64) that were committed longer than `keep` ago, or in the future: by
-- a clock that was set back since. The caller
-- holds the bucket's lock, so no writer is between asking whether a frame is known and entering it.
CREATE OR REPLACE FUNCTION hubwatch.fold_frames(bucket integer, keep interval, most integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    folded bigint;
BEGIN
    WITH old AS (
        SELECT f.epoch_id, f.seq FROM hubwatch.frame f JOIN hubwatch.ledger_commit c ON c.id = f.commit_id
        WHERE f.epoch_id % 64 = bucket AND (c.at < clock_timestamp() - keep OR c.at > clock_timestamp() + keep)
        ORDER BY f.epoch_id, f.seq LIMIT most
    ), taken AS (
        DELETE FROM hubwatch.frame f USING old, hubwatch.ledger_commit c
        WHERE f.epoch_id = old.epoch_id AND f.seq = old.seq AND c.id = f.commit_id
        RETURNING f.epoch_id, f.seq, f.readings, f.events, c.at
    ), numbered AS (
        SELECT *, seq - row_number() OVER (PARTITION BY epoch_id ORDER BY seq) AS island FROM taken
    ), made AS (
        INSERT INTO hubwatch.frame_range
            (epoch_id, first_seq, last_seq, readings, events, first_committed, last_committed)
        SELECT epoch_id, min(seq), max(seq), sum(readings), sum(events), (array_agg(at ORDER BY seq))[1], max(at)
        FROM numbered GROUP BY epoch_id, island
        RETURNING epoch_id
    )
    SELECT count(*) INTO folded FROM taken;

    -- Ranges that touch become one: the first of each run takes all, then what lies inside another goes.
    WITH touching AS (
        SELECT *, first_seq IS DISTINCT FROM lag(last_seq) OVER w + 1 AS begins FROM hubwatch.frame_range
        WHERE epoch_id % 64 = bucket
        WINDOW w AS (PARTITION BY epoch_id ORDER BY first_seq)
    ), runs AS (
        SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY epoch_id ORDER BY first_seq) AS run FROM touching
    ), whole AS (
        SELECT epoch_id, min(first_seq) AS first_seq, max(last_seq) AS last_seq, sum(readings) AS readings,
            sum(events) AS events, max(last_committed) AS last_committed
        FROM runs GROUP BY epoch_id, run HAVING count(*) > 1
    )
    UPDATE hubwatch.frame_range r
    SET last_seq = w.last_seq, readings = w.readings, events = w.events, last_committed = w.last_committed
    FROM whole w WHERE r.epoch_id = w.epoch_id AND r.first_seq = w.first_seq;

    DELETE FROM hubwatch.frame_range inner_one USING hubwatch.frame_range outer_one
    WHERE inner_one.epoch_id % 64 = bucket AND outer_one.epoch_id = inner_one.epoch_id
        AND inner_one.first_seq > outer_one.first_seq AND inner_one.last_seq <= outer_one.last_seq;
    RETURN folded;
END $$;

CREATE OR REPLACE VIEW hubwatch.kept_ranges AS
SELECT s.id AS sensor_id, h.held_from AS kept_from, h.held_to AS kept_to, 'hold ' || h.id AS why
FROM hubwatch.legal_holds h
JOIN hubwatch.sensors s ON s.hub = h.hub AND (h.sensor IS NULL OR s.sensor = h.sensor)
WHERE h.released IS NULL
UNION ALL
SELECT s.id, d.start - e.before,
    -- A condition that has not ended is evidence in the making.
    coalesce(d."end" + e.after, '9999-12-30 00:00+00'), 'detection ' || d.id
FROM hubwatch.detections d
JOIN hubwatch.sensors s ON s.hub = d.hub AND s.sensor = d.sensor
CROSS JOIN hubwatch.retention_evidence e
WHERE e.days IS NULL OR d.start > hubwatch.deletion_clock() - e.days * INTERVAL '1 day';
