-- rules: how many days what is kept, by kind
SELECT kind, raw_days, minute_days, hour_days, event_days, why FROM hubwatch.retention_rule
ORDER BY kind = 'unknown', kind;

-- set: changes or makes the rule of a kind
INSERT INTO hubwatch.retention_rule (kind, raw_days, minute_days, hour_days, event_days, why)
VALUES (%(kind)s, %(raw_days)s, %(minute_days)s, %(hour_days)s, %(event_days)s, %(why)s)
ON CONFLICT (kind) DO UPDATE
SET (raw_days, minute_days, hour_days, event_days, why, changed) = (excluded.raw_days, excluded.minute_days,
    excluded.hour_days, excluded.event_days, excluded.why, clock_timestamp());

-- evidence: how long what was measured around detections is kept
SELECT before, after, days FROM hubwatch.retention_evidence;

-- set_evidence: changes that
UPDATE hubwatch.retention_evidence SET (before, after, days) = (%(before)s, %(after)s, %(days)s);

-- cutoffs: by kind the moment before which a layer may be deleted; null where it is kept for ever
SELECT kind, hubwatch.deletion_clock() - {days} * INTERVAL '1 day' FROM hubwatch.retention_rule;

-- advance_clock: lets the clock by which things are old go on; gives by how much it stays behind the database's
UPDATE hubwatch.deletion_state SET at = hubwatch.deletion_clock() RETURNING clock_timestamp() - at;

-- complete_until: how far aggregates are complete: readings after it are still needed to make them
SELECT least(minute_to, hour_to, (SELECT min(hour) FROM hubwatch.rollup_redo))
FROM hubwatch.rollup_state WHERE hour_to > '-infinity';

-- channels_in: channels that have rows in a span, with their sensors' ids and kinds
SELECT c.id, s.id, coalesce(c.sensor_kind, s.kind, 'unknown') FROM hubwatch.channels c JOIN hubwatch.sensors s ON s.id = c.sensor_id
WHERE EXISTS (SELECT FROM hubwatch.{table} t WHERE t.channel_id = c.id AND t.{time} >= %(since)s AND t.{time} < %(until)s)
ORDER BY c.id;

-- sensors_in: sensors that have rows in a span, with their ids again and kinds
SELECT s.id, s.id, coalesce(s.kind, 'unknown') FROM hubwatch.sensors s
WHERE EXISTS (SELECT FROM hubwatch.{table} t WHERE t.sensor_id = s.id AND t.{time} >= %(since)s AND t.{time} < %(until)s)
ORDER BY s.id;

-- count: how many rows would go
SELECT count(*) FROM hubwatch.{table} WHERE {key} = %(key)s AND {time} >= %(since)s AND {time} < %(until)s;

-- delete: deletes rows of one channel or sensor
DELETE FROM hubwatch.{table} WHERE {key} = %(key)s AND {time} >= %(since)s AND {time} < %(until)s;

-- allow_large: lets a delete reach any number of rows of a columnstore, where there is one; for this transaction
SELECT CASE WHEN hubwatch.has_community()
    THEN set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true) END;
