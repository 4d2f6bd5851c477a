-- copy: takes events
COPY hubwatch.event (time, sensor_id, type, subject, attrs, device_time, late) FROM STDIN;

-- evict: remembers frames an agent declared as thrown away
INSERT INTO hubwatch.eviction (epoch_id, first_seq, last_seq, readings, reason, declared)
SELECT id, %s, %s, %s, %s, clock_timestamp() FROM hubwatch.epoch WHERE (hub, agent, epoch) = (%s, %s, %s)
ON CONFLICT DO NOTHING;
