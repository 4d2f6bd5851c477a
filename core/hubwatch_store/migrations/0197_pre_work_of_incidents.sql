-- What a finding costs does not grow with the alarms of its incident: each of these answers a question by the rows it is about.
-- Whether an incident has an open alarm left.
CREATE INDEX alarms_incident_open ON hubwatch.alarms (incident) WHERE closed IS NULL;
-- The newest alarm of each zone of a hub, critical or not.
CREATE INDEX alarms_hub_zone ON hubwatch.alarms (hub, (coalesce(zone, '')), (priority = 1), opened DESC);
-- Of what people were told a moment ago.
CREATE INDEX notification_outbox_delivered ON hubwatch.notification_outbox (route, finished)
    WHERE state = 'delivered' AND route LIKE '%/%';
