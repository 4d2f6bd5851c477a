-- channels: keeps the newest reading of each channel
INSERT INTO hubwatch.latest_value AS l (channel_id, time, value, quality, reason)
SELECT channel_id, TIMESTAMPTZ 'epoch' + us * INTERVAL '1 microsecond', value, quality, reason
FROM unnest(%s::integer[], %s::bigint[], %s::double precision[], %s::smallint[], %s::text[])
    AS n (channel_id, us, value, quality, reason)
ORDER BY channel_id
ON CONFLICT (channel_id) DO UPDATE
SET time = excluded.time, value = excluded.value, quality = excluded.quality, reason = excluded.reason
WHERE excluded.time >= l.time;

-- agents: keeps the newest frame of each agent, and when backlog last came from it
UPDATE hubwatch.agents a
SET epoch = CASE WHEN newer THEN n.epoch ELSE a.epoch END,
    last_frame = CASE WHEN newer THEN n.sent ELSE a.last_frame END,
    last_seq = CASE WHEN newer THEN n.seq ELSE a.last_seq END,
    last_late = CASE WHEN n.late_us IS NULL THEN a.last_late ELSE clock_timestamp() END
FROM (
    SELECT u.hub, u.agent, u.epoch, u.seq, u.late_us, k.last_frame IS NULL OR k.last_frame <= m.sent AS newer, m.sent
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[])
        AS u (hub, agent, epoch, us, seq, late_us)
    CROSS JOIN LATERAL (SELECT TIMESTAMPTZ 'epoch' + u.us * INTERVAL '1 microsecond' AS sent) m
    JOIN hubwatch.agents k USING (hub, agent)
    ORDER BY u.hub, u.agent FOR UPDATE OF k
) n
WHERE a.hub = n.hub AND a.agent = n.agent;
