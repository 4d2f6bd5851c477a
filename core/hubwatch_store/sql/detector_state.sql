-- load: every state, of some hubs or of all
SELECT hub, detector, sensor, lane, version, state FROM hubwatch.detector_state
WHERE %(hubs)s::text[] IS NULL OR hub = ANY (%(hubs)s::text[]);

-- save: store states in place of what was there
INSERT INTO hubwatch.detector_state (hub, detector, sensor, lane, version, state)
SELECT * FROM unnest(%(hub)s::text[], %(detector)s::text[], %(sensor)s::text[], %(lane)s::text[], %(version)s::int[],
    %(state)b::bytea[])
ON CONFLICT (hub, detector, sensor, lane)
DO UPDATE SET version = excluded.version, state = excluded.state, saved = clock_timestamp();

-- drop: remove states that are no longer needed
DELETE FROM hubwatch.detector_state d
USING unnest(%(hub)s::text[], %(detector)s::text[], %(sensor)s::text[], %(lane)s::text[])
    AS gone (hub, detector, sensor, lane)
WHERE d.hub = gone.hub AND d.detector = gone.detector AND d.sensor = gone.sensor AND d.lane = gone.lane;
