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

-- keys_of: the keys of some agents, as `keys` gives them
SELECT hub, agent, public_key, (extract(epoch FROM not_before) * 1000000)::bigint,
    (extract(epoch FROM not_after) * 1000000)::bigint, (extract(epoch FROM revoked_at) * 1000000)::bigint
FROM hubwatch.agent_keys JOIN unnest(%(hubs)s::text[], %(agents)s::text[]) named (hub, agent) USING (hub, agent)
ORDER BY hub, agent, not_after DESC;

-- keep_signed: keeps signed frames of one hub
INSERT INTO hubwatch.signed_frame (hub, agents, frames, lines) VALUES (%s, %s, %s, %s);

-- signed: signed frames of an agent that came in a time, in the order they came
SELECT lines FROM hubwatch.signed_frame
WHERE hub = %s AND %s = ANY (agents) AND received >= %s AND received < %s ORDER BY id;

-- trim_signed: deletes signed frames that are kept no longer
DELETE FROM hubwatch.signed_frame USING hubwatch.signed_frame_bounds b
WHERE received < hubwatch.deletion_clock() - b.keep AND NOT EXISTS (
    SELECT FROM hubwatch.legal_holds h WHERE h.hub = signed_frame.hub AND h.released IS NULL
        AND h.held_from <= signed_frame.received AND coalesce(h.held_to, 'infinity') >= signed_frame.received);
