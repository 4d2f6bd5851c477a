-- What was measured and what happened. Three engines, one set of names: TimescaleDB community, TimescaleDB Apache,
-- plain PostgreSQL. Hypertables become tables partitioned by day; continuous aggregates become views.

CREATE FUNCTION hubwatch.has_timescaledb() RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') $$;

CREATE FUNCTION hubwatch.has_community() RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT hubwatch.has_timescaledb() AND current_setting('timescaledb.license', true) = 'timescale' $$;

-- Buckets start on Monday 2000-01-03, as TimescaleDB's do.
DO $do$
DECLARE
    place text := (SELECT n.nspname FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
                   WHERE x.extname = 'timescaledb');
BEGIN
    IF place IS NULL THEN
        CREATE FUNCTION hubwatch.time_bucket(width interval, ts timestamptz) RETURNS timestamptz
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
        $$ SELECT date_bin(width, ts, TIMESTAMPTZ '2000-01-03 00:00:00+00') $$;
    ELSE
        EXECUTE format($f$
            CREATE FUNCTION hubwatch.time_bucket(width interval, ts timestamptz) RETURNS timestamptz
            LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
            $$ SELECT %I.time_bucket(width, ts) $$ $f$, place);
    END IF;
END $do$;

-- No foreign keys here: a check per row would halve the speed of COPY; the writer resolves ids before it writes.
DO $do$
DECLARE
    reading_columns text := 'time timestamptz NOT NULL, channel_id integer NOT NULL, value double precision,
        quality smallint NOT NULL, reason text, device_time timestamptz';
    event_columns text := 'time timestamptz NOT NULL, sensor_id integer NOT NULL, type text NOT NULL, subject text,
        attrs jsonb NOT NULL, device_time timestamptz, late boolean NOT NULL';
    by_day text := CASE WHEN hubwatch.has_timescaledb() THEN '' ELSE 'PARTITION BY RANGE (time)' END;
BEGIN
    EXECUTE format('CREATE TABLE hubwatch.reading (%s) %s', reading_columns, by_day);
    EXECUTE format('CREATE TABLE hubwatch.event (%s) %s', event_columns, by_day);
    IF hubwatch.has_timescaledb() THEN
        PERFORM create_hypertable('hubwatch.reading', 'time',
            chunk_time_interval => INTERVAL '1 day', create_default_indexes => false);
        PERFORM create_hypertable('hubwatch.event', 'time',
            chunk_time_interval => INTERVAL '7 days', create_default_indexes => false);
    END IF;
END $do$;

CREATE INDEX reading_channel_time ON hubwatch.reading (channel_id, time DESC);
CREATE INDEX event_sensor_time ON hubwatch.event (sensor_id, time DESC);
CREATE INDEX event_time ON hubwatch.event (time DESC);

-- Makes the daily partitions that hold `moments`; nothing to do where TimescaleDB makes chunks by itself.
-- A table is made first and attached after, because attaching does not lock out readers and writers.
CREATE FUNCTION hubwatch.ensure_partitions(parent text, moments timestamptz[]) RETURNS void LANGUAGE plpgsql AS $do$
DECLARE
    day timestamptz;
    child text;
BEGIN
    IF hubwatch.has_timescaledb() THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('hubwatch.partitions'));
    FOR day IN SELECT DISTINCT date_trunc('day', m, 'UTC') FROM unnest(moments) m ORDER BY 1 LOOP
        child := parent || to_char(day AT TIME ZONE 'UTC', '"_"YYYYMMDD');
        IF to_regclass('hubwatch.' || child) IS NULL THEN
            EXECUTE format('CREATE TABLE hubwatch.%I (LIKE hubwatch.%I INCLUDING DEFAULTS)', child, parent);
            EXECUTE format('ALTER TABLE hubwatch.%I ATTACH PARTITION hubwatch.%I FOR VALUES FROM (%L) TO (%L)',
                parent, child, day, day + INTERVAL '24 hours');
        END IF;
    END LOOP;
END $do$;

-- The newest reading of each channel; half-empty pages keep its updates inside one page.
CREATE TABLE hubwatch.latest_value (
    channel_id integer PRIMARY KEY,
    time timestamptz NOT NULL,
    value double precision,
    quality smallint NOT NULL,
    reason text
) WITH (fillfactor = 50);

CREATE VIEW hubwatch.readings AS
SELECT r.time, c.hub, c.sensor, c.channel, r.value, r.quality, r.reason, r.device_time
FROM hubwatch.reading r JOIN hubwatch.channels c ON c.id = r.channel_id;

CREATE VIEW hubwatch.events AS
SELECT e.time, s.hub, s.sensor, e.type, e.subject, e.attrs, e.device_time, e.late
FROM hubwatch.event e JOIN hubwatch.sensors s ON s.id = e.sensor_id;

CREATE VIEW hubwatch.latest AS
SELECT c.hub, c.sensor, c.channel, l.time, l.value, l.quality, l.reason,
    extract(epoch FROM clock_timestamp() - l.time)::double precision AS age_s
FROM hubwatch.latest_value l JOIN hubwatch.channels c ON c.id = l.channel_id;

-- avg, min, max and last are over values that are not bad; n counts every reading, n_good the good ones.
DO $do$
DECLARE
    place text := (SELECT n.nspname FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
                   WHERE x.extname = 'timescaledb');
    rollup record;
    newest text := CASE WHEN place IS NULL
        THEN '(array_agg(value ORDER BY time DESC) FILTER (WHERE quality < 2 AND value IS NOT NULL))[1]'
        ELSE format('%I.last(value, time) FILTER (WHERE quality < 2 AND value IS NOT NULL)', place) END;
    body text;
BEGIN
    FOR rollup IN SELECT * FROM (VALUES ('reading_1m', '1 minute'), ('reading_1h', '1 hour')) v (name, width) LOOP
        body := format($f$
            SELECT %s(INTERVAL %L, time) AS bucket, channel_id, count(*) AS n,
                count(*) FILTER (WHERE quality = 0) AS n_good,
                avg(value) FILTER (WHERE quality < 2) AS avg, min(value) FILTER (WHERE quality < 2) AS min,
                max(value) FILTER (WHERE quality < 2) AS max, %s AS last
            FROM hubwatch.reading GROUP BY 1, 2 $f$,
            CASE WHEN hubwatch.has_community() THEN format('%I.time_bucket', place) ELSE 'hubwatch.time_bucket' END,
            rollup.width, newest);
        IF hubwatch.has_community() THEN
            EXECUTE format('CREATE MATERIALIZED VIEW hubwatch.%I
                WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS %s WITH NO DATA',
                rollup.name, body);
            -- Only invalidated buckets are computed again, so a long window costs nothing and late data gets in.
            PERFORM add_continuous_aggregate_policy('hubwatch.' || rollup.name, start_offset => INTERVAL '30 days',
                end_offset => rollup.width::interval, schedule_interval => rollup.width::interval);
        ELSE
            EXECUTE format('CREATE VIEW hubwatch.%I AS %s', rollup.name, body);
        END IF;
        EXECUTE format('CREATE VIEW hubwatch.%I AS
            SELECT r.bucket, c.hub, c.sensor, c.channel, r.n, r.n_good, r.avg, r.min, r.max, r.last
            FROM hubwatch.%I r JOIN hubwatch.channels c ON c.id = r.channel_id',
            replace(rollup.name, 'reading', 'readings'), rollup.name);
    END LOOP;
    IF hubwatch.has_community() THEN
        ALTER TABLE hubwatch.reading SET (timescaledb.compress,
            timescaledb.compress_segmentby = 'channel_id', timescaledb.compress_orderby = 'time DESC');
        PERFORM add_compression_policy('hubwatch.reading', INTERVAL '7 days');
    END IF;
END $do$;
