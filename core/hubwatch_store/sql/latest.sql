-- channels: keeps the newest reading of each channel; its time is not after its receipt. One from a clock that was ahead
-- gives way to the next that comes.
INSERT INTO hubwatch.latest_value AS l (channel_id, time, value, quality, reason)
SELECT channel_id, LEAST(TIMESTAMPTZ 'epoch' + us * INTERVAL '1 microsecond', clock_timestamp()), value, quality, reason
FROM unnest(%s::integer[], %s::bigint[], %s::double precision[], %s::smallint[], %s::text[])
    AS n (channel_id, us, value, quality, reason)
ORDER BY channel_id
ON CONFLICT (channel_id) DO UPDATE
SET time = excluded.time, value = excluded.value, quality = excluded.quality, reason = excluded.reason
WHERE excluded.time >= l.time OR l.time > clock_timestamp();

-- agents: keeps the newest frame of each agent, when one last came, and when backlog last came from it. In an epoch the
-- sequence numbers say which frame is newer, whatever the clocks said; between epochs, which came later. A live frame
-- well after the last will proves that the agent is back.
UPDATE hubwatch.agents a
SET epoch = CASE WHEN newer THEN n.epoch ELSE a.epoch END,
    last_frame = CASE WHEN newer THEN n.sent ELSE a.last_frame END,
    last_seq = CASE WHEN newer THEN n.seq ELSE a.last_seq END,
    heard = CASE WHEN a.heard <= clock_timestamp() THEN greatest(a.heard, n.heard) ELSE n.heard END,
    state = CASE WHEN back THEN 'online' ELSE a.state END,
    state_since = CASE WHEN back THEN n.heard ELSE a.state_since END,
    state_said = CASE WHEN back THEN n.heard ELSE a.state_said END,
    last_late = CASE WHEN n.late THEN clock_timestamp() ELSE a.last_late END
FROM (
    SELECT w.*, w.newer AND w.live AND w.state = 'offline'
        AND (w.state_said IS NULL OR w.heard > w.state_said + %s * INTERVAL '1 s' OR w.state_said > clock_timestamp()) AS back
    FROM (
        SELECT u.hub, u.agent, u.epoch, u.seq, u.live, u.late, m.sent, m.heard, k.state, k.state_said,
            CASE WHEN k.last_seq IS NULL OR k.heard IS NULL OR k.heard > clock_timestamp() THEN true
                WHEN k.epoch = u.epoch THEN k.last_seq <= u.seq
                ELSE k.heard <= m.heard END AS newer
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[], %s::boolean[])
            AS u (hub, agent, epoch, sent_us, seq, heard_us, live, late)
        CROSS JOIN LATERAL (
            SELECT LEAST(TIMESTAMPTZ 'epoch' + u.sent_us * INTERVAL '1 microsecond', clock_timestamp()) AS sent,
                LEAST(TIMESTAMPTZ 'epoch' + u.heard_us * INTERVAL '1 microsecond', clock_timestamp()) AS heard) m
        JOIN hubwatch.agents k USING (hub, agent)
        ORDER BY u.hub, u.agent FOR UPDATE OF k
    ) w
) n
WHERE a.hub = n.hub AND a.agent = n.agent;
