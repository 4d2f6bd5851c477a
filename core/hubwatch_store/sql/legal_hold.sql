-- lock: nothing is deleted while a hold is made, no hold is made while something is deleted; until the transaction ends
SELECT hubwatch.lock_legal_hold();

-- known: whether there is such a hub, or such a sensor in it
SELECT EXISTS (SELECT FROM hubwatch.hubs WHERE hub = %(hub)s)
    AND (%(sensor)s::text IS NULL OR EXISTS (SELECT FROM hubwatch.sensors WHERE (hub, sensor) = (%(hub)s, %(sensor)s)));

-- add: makes a hold; without an end it holds what is still to come too
INSERT INTO hubwatch.legal_hold (hub, sensor, held_from, held_to, reason, by)
VALUES (%(hub)s, %(sensor)s, %(held_from)s, coalesce(%(held_to)s, TIMESTAMPTZ '9999-12-30 00:00+00'), %(reason)s, %(by)s)
RETURNING id;

-- release: ends a hold that is there and not released
INSERT INTO hubwatch.legal_hold_release (hold, reason, by)
SELECT id, %(reason)s, %(by)s FROM hubwatch.legal_hold WHERE id = %(hold)s ON CONFLICT DO NOTHING RETURNING hold;

-- hub_of: the hub of a hold that is in force
SELECT hub FROM hubwatch.legal_holds WHERE id = %(hold)s AND released IS NULL;

-- all: every hold there ever was
SELECT id, hub, sensor, held_from, held_to, reason, by, at, released, released_by, release_reason
FROM hubwatch.legal_holds ORDER BY id;

-- kept: what may not be deleted within a time, by sensor
SELECT sensor_id, kept_from, kept_to FROM hubwatch.kept_ranges
WHERE kept_from < %(until)s AND kept_to >= %(since)s;
