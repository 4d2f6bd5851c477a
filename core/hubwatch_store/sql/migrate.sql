-- table_exists: whether a migration was ever applied here
SELECT to_regclass('hubwatch.migrations') IS NOT NULL;

-- applied: what was applied, in order
SELECT number, name, checksum FROM hubwatch.migrations ORDER BY number;

-- lock: lets one process at a time migrate; held until the connection ends
SELECT pg_advisory_lock(hashtext('hubwatch.migrations'));

-- owner: the role that owns the schema, where we are not that but may become it (null: neither)
SELECT n.nspowner::regrole::text FROM pg_namespace n
WHERE n.nspname = 'hubwatch' AND n.nspowner <> current_user::regrole AND pg_has_role(n.nspowner, 'MEMBER');

-- prepare: makes the schema and the table that remembers what was applied
CREATE SCHEMA IF NOT EXISTS hubwatch;
CREATE TABLE IF NOT EXISTS hubwatch.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- record: remembers an applied migration
INSERT INTO hubwatch.migrations (number, name, checksum) VALUES (%s, %s, %s);
