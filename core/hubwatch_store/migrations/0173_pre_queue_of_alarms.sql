-- The console's queue reads open alarms only, however many are closed, and causes are looked for by type.
CREATE INDEX alarms_open ON hubwatch.alarms (hub, type) INCLUDE (state, priority, zone) WHERE closed IS NULL;
-- The former alarms of a sensor, the newest first.
CREATE INDEX alarms_of_sensor ON hubwatch.alarms (hub, sensor, opened DESC);
