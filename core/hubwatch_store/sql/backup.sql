-- hold_schema: keeps migrations from running until the connection ends
SELECT hubwatch.hold_schema();

-- hold_any_schema: the same where the schema may be older than that function, by its owner only
SELECT pg_advisory_lock_shared(hashtext('hubwatch.migrations'));

-- steady: makes values look the same whatever a server's defaults are
SELECT set_config('datestyle', 'ISO, YMD', false), set_config('intervalstyle', 'postgres', false),
    set_config('bytea_output', 'hex', false), set_config('extra_float_digits', '1', false),
    set_config('client_encoding', 'UTF8', false), set_config('statement_timeout', '0', false),
    set_config('idle_in_transaction_session_timeout', '0', false);

-- tables: tables with their columns, referenced ones before those that refer to them; continuous aggregates last
WITH RECURSIVE tab AS (
    SELECT c.oid, c.relname FROM pg_class c
    WHERE c.relnamespace = 'hubwatch'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND c.relname <> 'migrations'
), refers AS (
    SELECT DISTINCT conrelid AS child, confrelid AS parent FROM pg_constraint
    WHERE contype = 'f' AND conrelid <> confrelid AND conrelid IN (SELECT oid FROM tab)
), depth AS (
    SELECT oid, 0 AS level FROM tab
    UNION ALL
    SELECT r.child, d.level + 1 FROM depth d JOIN refers r ON r.parent = d.oid WHERE d.level < 100
), aggregate AS (
    SELECT c.oid, c.relname FROM pg_class c
    WHERE c.oid IN (to_regclass('hubwatch.reading_1m'), to_regclass('hubwatch.reading_1h')) AND c.relkind = 'v'
), ordered AS (
    SELECT t.oid, t.relname, max(d.level) AS level FROM tab t JOIN depth d USING (oid) GROUP BY 1, 2
    UNION ALL
    SELECT oid, relname, 1000 FROM aggregate
)
SELECT o.relname::text, array_agg(a.attname::text ORDER BY a.attnum)
FROM ordered o JOIN pg_attribute a ON a.attrelid = o.oid
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY o.relname, o.level ORDER BY o.level, o.relname;

-- sequences: the last number each sequence gave; null before the first
SELECT sequencename::text, last_value FROM pg_sequences WHERE schemaname = 'hubwatch' ORDER BY 1;

-- set_sequence: lets a sequence go on after a number
SELECT setval(format('hubwatch.%%I', %s::text)::regclass, %s);

-- kind: whether a name is a table, a partitioned table or a view here (null: nothing)
SELECT (SELECT relkind::text FROM pg_class WHERE oid = to_regclass(format('hubwatch.%%I', %s::text)));

-- triggers: triggers of ours
SELECT c.relname::text, t.tgname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'hubwatch'::regnamespace AND NOT t.tgisinternal AND NOT c.relispartition
    AND t.tgname NOT LIKE 'ts\_%' AND t.tgenabled = 'O'
ORDER BY 1, 2;

-- schema_exists: whether there is anything of ours
SELECT to_regnamespace('hubwatch') IS NOT NULL;

-- partitions: makes daily partitions for spans of time
SELECT hubwatch.ensure_partitions(%s, ARRAY(
    SELECT day FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS s (first, beyond)
    CROSS JOIN LATERAL generate_series(date_trunc('day', first, 'UTC'), beyond - INTERVAL '1 microsecond',
        INTERVAL '24 hours') day));

-- continuous_storage: where a continuous aggregate keeps its rows
SELECT materialization_hypertable_schema::text, materialization_hypertable_name::text
FROM timescaledb_information.continuous_aggregates WHERE view_schema = 'hubwatch' AND view_name = %s;

-- continuous_refresh: makes a continuous aggregate of the restored readings, leaving alone what is older than they are
CALL refresh_continuous_aggregate(%s, %s, NULL);

-- oldest_whole_hour: the first hour that readings cover from its beginning
SELECT date_trunc('hour', min(time)) + INTERVAL '1 hour' FROM hubwatch.reading;
