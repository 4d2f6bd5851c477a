-- maintained: whether aggregates are tables of ours here, not continuous aggregates of TimescaleDB
SELECT relkind IN ('r', 'p') FROM pg_class WHERE oid = 'hubwatch.reading_1m'::regclass;

-- late_before: the moment before which readings are late, in µs (null: none is); it stays until the transaction ends
SELECT (extract(epoch FROM NULLIF(hubwatch.late_before(), '-infinity')) * 1000000)::bigint;

-- note_late: remembers hours (µs) of channels whose aggregates are out of date now
INSERT INTO hubwatch.rollup_late (channel_id, hour)
SELECT channel_id, TIMESTAMPTZ 'epoch' + us * INTERVAL '1 microsecond'
FROM unnest(%s::integer[], %s::bigint[]) AS n (channel_id, us);

-- target: how far aggregates can be complete by now, in minutes and in hours
SELECT date_trunc('minute', clock_timestamp() - %(settle)s), date_trunc('hour', clock_timestamp() - %(settle)s);

-- announce: from now on, readings before the moment are late; waits for writers that go by the moment before
SELECT hubwatch.lock_late_before();

-- far_ahead: whether aggregates are said to be complete beyond a moment by more than a time: the clock was set back since
SELECT minute_to > %(until)s + %(margin)s FROM hubwatch.rollup_state;

-- forget_beyond: deletes aggregates from a moment on, which are made of what is stored again as time passes
DELETE FROM hubwatch.{table} WHERE bucket >= %(until)s;

-- set_marks_back: says that aggregates are complete up to these moments only
UPDATE hubwatch.rollup_state SET log_before = least(log_before, %(minute)s), minute_to = least(minute_to, %(minute)s),
    hour_to = least(hour_to, %(hour)s);

-- set_late_before: see announce
UPDATE hubwatch.rollup_state SET log_before = greatest(log_before, %s);

-- mark: how far an aggregate has come
SELECT greatest({mark}, '0001-01-02 00:00+00') FROM hubwatch.rollup_state;

-- advance: aggregates a window for every channel
INSERT INTO hubwatch.{table} AS a (bucket, channel_id, n, n_good, avg, min, max, last)
SELECT r.bucket, c.id, r.n, r.n_good, r.avg, r.min, r.max, r.last
FROM hubwatch.channels c CROSS JOIN LATERAL hubwatch.rollup({width}, c.id, %(since)s, %(until)s) r
ON CONFLICT (channel_id, bucket) DO UPDATE
SET (n, n_good, avg, min, max, last)
    = (excluded.n, excluded.n_good, excluded.avg, excluded.min, excluded.max, excluded.last)
WHERE excluded.n >= a.n;

-- set_mark: remembers how far an aggregate has come
UPDATE hubwatch.rollup_state SET {mark} = greatest({mark}, %(until)s);

-- gather_late: moves some of what writers noted to where each hour stands once; gives how many notes there were
WITH taken AS (
    DELETE FROM hubwatch.rollup_late WHERE ctid = ANY (ARRAY(SELECT ctid FROM hubwatch.rollup_late LIMIT %(most)s))
    RETURNING channel_id, hour
), gathered AS (
    INSERT INTO hubwatch.rollup_redo (channel_id, hour) SELECT channel_id, hour FROM taken GROUP BY 1, 2
    ON CONFLICT (channel_id, hour) DO UPDATE SET noted = clock_timestamp()
)
SELECT count(*) FROM taken;

-- late_days: days that have late readings
SELECT DISTINCT date_trunc('day', hour, 'UTC') FROM hubwatch.rollup_redo;

-- partitions: makes partitions of minutes where the engine does not do so by itself
SELECT hubwatch.ensure_partitions('reading_1m', %s);

-- take_late: takes hours of channels that got late readings: those that get no more just now, or wait for long already
DELETE FROM hubwatch.rollup_redo WHERE (channel_id, hour) IN (
    SELECT channel_id, hour FROM hubwatch.rollup_redo
    WHERE noted <= clock_timestamp() - %(quiet)s OR since <= clock_timestamp() - %(patience)s
        OR noted > clock_timestamp() + %(patience)s
    ORDER BY hour, channel_id LIMIT %(most)s)
RETURNING channel_id, hour;

-- redo: aggregates hours of channels again; gives how many buckets there were and how many of them were stored.
-- Of what was deleted as too old nothing is counted again: a bucket never goes down.
WITH made AS (
    SELECT r.bucket, h.channel_id, r.n, r.n_good, r.avg, r.min, r.max, r.last
    FROM unnest(%(channels)s::integer[], %(hours)s::timestamptz[]) AS h (channel_id, hour)
    CROSS JOIN hubwatch.rollup_state s
    CROSS JOIN LATERAL hubwatch.rollup({width}, h.channel_id, h.hour, least(h.hour + INTERVAL '1 hour', s.{mark})) r
), stored AS (
    INSERT INTO hubwatch.{table} AS a (bucket, channel_id, n, n_good, avg, min, max, last)
    SELECT * FROM made
    ON CONFLICT (channel_id, bucket) DO UPDATE
    SET (n, n_good, avg, min, max, last)
        = (excluded.n, excluded.n_good, excluded.avg, excluded.min, excluded.max, excluded.last)
    WHERE excluded.n >= a.n
    RETURNING 1
)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM stored);
