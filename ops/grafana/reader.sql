-- Where `hubwatch db roles` is used, `hubwatch db reader` takes the place of this file: its readers see their hubs only.
-- Lets Grafana read the public tables and views, and nothing else. Run it after `hubwatch db migrate`, in hubwatch's
-- database, as a superuser (the owner of the schema cannot create roles). It can be run again. Then create the login
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
-- The same as `hubwatch db roles` lets readers see (a test compares them).
GRANT SELECT ON
    hubwatch.hubs, hubwatch.zones, hubwatch.agents, hubwatch.sensors, hubwatch.channels, hubwatch.readings,
    hubwatch.readings_1m, hubwatch.readings_1h, hubwatch.latest, hubwatch.events, hubwatch.detections,
    hubwatch.alarms, hubwatch.alarm_telling, hubwatch.alarm_journal, hubwatch.incidents, hubwatch.notifications,
    hubwatch.frames, hubwatch.ledger_gaps, hubwatch.site_versions, hubwatch.zone_paths, hubwatch.doors,
    hubwatch.fence_sections, hubwatch.fence_behind, hubwatch.lanes, hubwatch.lane_steps, hubwatch.sensor_places,
    hubwatch.power_feeds, hubwatch.cameras, hubwatch.zone_travel, hubwatch.shifts, hubwatch.cardholders,
    hubwatch.level_journal, hubwatch.level_scales, hubwatch.adjudications, hubwatch.judged_alarms,
    hubwatch.watched_days, hubwatch.false_alarms, hubwatch.alarm_suppression, hubwatch.suppressed,
    hubwatch.alarm_presented, hubwatch.alarm_rate, hubwatch.alarm_ten_minutes, hubwatch.alarm_chattering,
    hubwatch.alarm_figures, hubwatch.alarm_causes, hubwatch.alarm_floods, hubwatch.incident_journal,
    hubwatch.incident_timeline, hubwatch.drills, hubwatch.drill_alarms, hubwatch.drill_told,
    hubwatch.board_places, hubwatch.board_channels
TO hubwatch_reader;
-- Not the payload: a message that could not be decoded may contain anything.
GRANT SELECT (id, topic, reason, hub, agent, first_seen, last_seen, count) ON hubwatch.dead_letters
TO hubwatch_reader;
