-- tell: counts what was found wrong with what an agent sends; true when a detection was made of it
SELECT hubwatch.tell_intake(%s, %s, %s, %s, %s, %s, %s, %s::smallint, %s, %s);

-- over: findings that have not happened for so long
DELETE FROM hubwatch.intake_finding WHERE last_seen < clock_timestamp() - %s::interval
    OR last_seen > clock_timestamp() + INTERVAL '1 minute'
RETURNING detection, least(last_seen, clock_timestamp());

-- keys: the keys by which agents are known, with the time from which and until which they are good (µs)
SELECT hub, agent, public_key, (extract(epoch FROM not_before) * 1000000)::bigint,
    (extract(epoch FROM not_after) * 1000000)::bigint, (extract(epoch FROM revoked_at) * 1000000)::bigint
FROM hubwatch.agent_keys ORDER BY hub, agent, not_after DESC;
