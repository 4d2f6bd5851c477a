-- hub: makes a hub known
INSERT INTO hubwatch.hubs (hub) VALUES (%s) ON CONFLICT DO NOTHING;

-- agent: what an agent runs and under which epoch; gives a row unless a birth that was said later is known or the agent
-- was taken away after it. A time of the future is of a clock that was wrong: it gives way. So it is for a live birth
-- when the agent's frames since then say a time before it: its clock was set back.
INSERT INTO hubwatch.agents AS a (hub, agent, epoch, software, config, born, state_since)
SELECT hub, agent, epoch, software, config, n.born, n.born
FROM (SELECT %s AS hub, %s AS agent, %s AS epoch, %s AS software, %s AS config,
    LEAST(TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond', clock_timestamp()) AS born) n
ON CONFLICT (hub, agent) DO UPDATE
SET epoch = excluded.epoch, software = excluded.software, config = excluded.config, born = excluded.born,
    last_seq = CASE WHEN a.epoch = excluded.epoch THEN a.last_seq END
WHERE a.gone IS NULL AND (a.born IS NULL OR a.born < excluded.born OR a.born > clock_timestamp()
    OR (NOT %s AND a.heard > a.born AND a.last_frame < a.born - INTERVAL '1 minute'))
RETURNING 1;

-- state: whether an agent is there, unless something newer is known. The time of a retained word is not known: it counts
-- when nothing else was said, and `offline` when the agent was not heard lately.
INSERT INTO hubwatch.agents AS a (hub, agent, state, state_since, state_said)
SELECT hub, agent, state, n.said, n.said
FROM (SELECT %(hub)s AS hub, %(agent)s AS agent, %(state)s AS state,
    LEAST(TIMESTAMPTZ 'epoch' + %(received)s * INTERVAL '1 microsecond', clock_timestamp()) AS said) n
ON CONFLICT (hub, agent) DO UPDATE
SET state = excluded.state, state_said = excluded.state_said,
    state_since = CASE WHEN a.state = excluded.state THEN a.state_since ELSE excluded.state_since END
WHERE a.gone IS NULL AND CASE
    WHEN %(retained)s AND excluded.state = 'offline' THEN (a.state_said IS NULL OR a.state = 'online') AND NOT coalesce(
        a.heard BETWEEN clock_timestamp() - %(alive_s)s * INTERVAL '1 s' AND clock_timestamp(), false)
    WHEN a.state_said IS NULL THEN true
    ELSE NOT %(retained)s AND (a.state_said <= excluded.state_said OR a.state_said > clock_timestamp()) END;
