-- Aggregates that outlive the readings they were made from. TimescaleDB's community edition has continuous ones
-- (0002); elsewhere the views of 0002 become tables that maintenance keeps up, joined with what is newer.

-- How far maintenance has come. Rows older than `log_before` are late: whoever writes them says so in rollup_late.
CREATE TABLE hubwatch.rollup_state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    log_before timestamptz NOT NULL,
    minute_to timestamptz NOT NULL,
    hour_to timestamptz NOT NULL
);
INSERT INTO hubwatch.rollup_state VALUES (true, '-infinity', '-infinity', '-infinity');

-- Hours of channels that got readings after they were aggregated. No key: writers never wait for one another here.
CREATE TABLE hubwatch.rollup_late (
    channel_id integer NOT NULL,
    hour timestamptz NOT NULL
);

-- Gives `log_before` to a writer and keeps it from moving until the writer's transaction ends.
CREATE FUNCTION hubwatch.late_before() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $f$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('hubwatch.rollup'));
    RETURN (SELECT log_before FROM hubwatch.rollup_state);
END $f$;

-- The one place that says what an aggregate is; avg, min, max and last are over values that are not bad.
DO $do$
DECLARE
    place text := (SELECT n.nspname FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
                   WHERE x.extname = 'timescaledb');
    newest text := CASE WHEN place IS NULL
        THEN '(array_agg(value ORDER BY time DESC) FILTER (WHERE quality < 2 AND value IS NOT NULL))[1]'
        ELSE format('%I.last(value, time) FILTER (WHERE quality < 2 AND value IS NOT NULL)', place) END;
BEGIN
    EXECUTE format($f$
        CREATE FUNCTION hubwatch.rollup(width interval, channel integer, since timestamptz, until timestamptz)
        RETURNS TABLE (bucket timestamptz, n bigint, n_good bigint, avg double precision, min double precision,
            max double precision, last double precision) LANGUAGE sql STABLE AS
        $$ SELECT hubwatch.time_bucket(width, time), count(*), count(*) FILTER (WHERE quality = 0),
               avg(value) FILTER (WHERE quality < 2), min(value) FILTER (WHERE quality < 2),
               max(value) FILTER (WHERE quality < 2), %s
           FROM hubwatch.reading
           WHERE channel_id = channel AND time >= since AND time < until GROUP BY 1 $$ $f$, newest);
END $do$;

DO $do$
DECLARE
    rollup record;
BEGIN
    IF hubwatch.has_community() THEN
        RETURN;
    END IF;
    FOR rollup IN SELECT * FROM (VALUES
        ('reading_1m', '1 minute', 'minute_to', INTERVAL '7 days', true),
        ('reading_1h', '1 hour', 'hour_to', INTERVAL '90 days', false)) v (name, width, done, chunk, by_day)
    LOOP
        EXECUTE format('ALTER VIEW hubwatch.%I RENAME TO %I', rollup.name, rollup.name || '_as_view');
        EXECUTE format('CREATE TABLE hubwatch.%I (bucket timestamptz NOT NULL, channel_id integer NOT NULL,
            n bigint NOT NULL, n_good bigint NOT NULL, avg double precision, min double precision,
            max double precision, last double precision, PRIMARY KEY (channel_id, bucket)) %s', rollup.name,
            -- A year of hours is few rows: without TimescaleDB they stay in one piece.
            CASE WHEN rollup.by_day AND NOT hubwatch.has_timescaledb() THEN 'PARTITION BY RANGE (bucket)' ELSE '' END);
        IF hubwatch.has_timescaledb() THEN
            PERFORM create_hypertable(format('hubwatch.%I', rollup.name)::regclass, 'bucket',
                chunk_time_interval => rollup.chunk, create_default_indexes => false);
        END IF;
        EXECUTE format('CREATE OR REPLACE VIEW hubwatch.%I AS
            SELECT r.bucket, c.hub, c.sensor, c.channel, r.n, r.n_good, r.avg, r.min, r.max, r.last
            FROM hubwatch.channels c CROSS JOIN hubwatch.rollup_state s CROSS JOIN LATERAL (
                SELECT bucket, n, n_good, avg, min, max, last FROM hubwatch.%I WHERE channel_id = c.id
                UNION ALL
                SELECT * FROM hubwatch.rollup(%L, c.id, s.%I, ''infinity'')) r',
            replace(rollup.name, 'reading', 'readings'), rollup.name, rollup.width, rollup.done);
        EXECUTE format('DROP VIEW hubwatch.%I', rollup.name || '_as_view');
    END LOOP;
END $do$;
