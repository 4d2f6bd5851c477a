-- What Grafana may read: the public names of the schema and nothing else. Run it after `hubwatch db migrate`, in
-- hubwatch's database, as a superuser (the schema's owner may make no roles); it may be run again. Then make the login,
-- with a password of your own:
--   CREATE USER grafana PASSWORD '…' IN ROLE hubwatch_reader;
--   ALTER USER grafana SET statement_timeout = '30s';
--   ALTER USER grafana SET jit = off;  -- compiling the plan of ledger_gaps took 3 s, running it 1 ms (measured)

DO $$ BEGIN
    CREATE ROLE hubwatch_reader NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;

GRANT USAGE ON SCHEMA hubwatch TO hubwatch_reader;
GRANT SELECT ON
    hubwatch.hubs, hubwatch.zones, hubwatch.agents, hubwatch.sensors, hubwatch.channels,
    hubwatch.readings, hubwatch.readings_1m, hubwatch.readings_1h, hubwatch.latest, hubwatch.events,
    hubwatch.detections, hubwatch.alarms, hubwatch.alarm_journal, hubwatch.incidents, hubwatch.notifications,
    hubwatch.frames, hubwatch.ledger_gaps
TO hubwatch_reader;
-- Not the payload: nobody knows what is in a message that could not be read.
GRANT SELECT (id, topic, reason, hub, agent, first_seen, last_seen, count) ON hubwatch.dead_letters
TO hubwatch_reader;
