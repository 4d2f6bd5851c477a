-- engine: version of the server, version and licence of TimescaleDB (null without it), number of partitioned tables
SELECT current_setting('server_version'),
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
    current_setting('timescaledb.license', true),
    (SELECT count(*) FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
     WHERE c.relnamespace = to_regnamespace('hubwatch'));

-- timescaledb_objects: numbers of hypertables, continuous aggregates and hypertables with a columnstore
SELECT (SELECT count(*) FROM timescaledb_information.hypertables WHERE hypertable_schema = 'hubwatch'),
    (SELECT count(*) FROM timescaledb_information.continuous_aggregates WHERE view_schema = 'hubwatch'),
    (SELECT count(*) FROM timescaledb_information.hypertables
     WHERE hypertable_schema = 'hubwatch' AND compression_enabled);

-- timescaledb_offered: whether TimescaleDB can be created here: shipped with this server and loaded into it
-- (its loader brings this setting; shared_preload_libraries itself only privileged roles may read)
SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
    AND current_setting('timescaledb.disable_load', true) IS NOT NULL;
