-- Folding: settled frames of contiguous sequence numbers become one row.

-- Folds at most `most` frames of a bucket (epoch id modulo 64) that were committed longer than `keep` ago. The caller
-- holds the bucket's lock, so no writer is between asking whether a frame is known and entering it.
CREATE FUNCTION hubwatch.fold_frames(bucket integer, keep interval, most integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    folded bigint;
BEGIN
    WITH old AS (
        SELECT f.epoch_id, f.seq FROM hubwatch.frame f JOIN hubwatch.ledger_commit c ON c.id = f.commit_id
        WHERE f.epoch_id % 64 = bucket AND c.at < clock_timestamp() - keep
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

-- What was folded, for people: one row a range.
CREATE VIEW hubwatch.frame_ranges AS
SELECT e.hub, e.agent, e.epoch, r.first_seq, r.last_seq, r.last_seq - r.first_seq + 1 AS frames, r.readings, r.events,
    r.first_committed, r.last_committed
FROM hubwatch.frame_range r JOIN hubwatch.epoch e ON e.id = r.epoch_id;
