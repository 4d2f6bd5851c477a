-- unexplained: epochs with missing frames that nothing explains: how many, between which, known since when
SELECT hub, agent, epoch, sum(frames)::bigint, min(first_seq), max(last_seq), min(since)
FROM hubwatch.ledger_gaps g
WHERE cause = 'unexplained'
    AND NOT EXISTS (SELECT FROM hubwatch.agents a WHERE a.hub = g.hub AND a.agent = g.agent AND a.gone IS NOT NULL)
GROUP BY hub, agent, epoch ORDER BY hub, agent, epoch;

-- open: findings about unexplained gaps that are not over, with the frames each told of
SELECT id, hub, sensor, subject, (evidence ->> 'frames')::bigint FROM hubwatch.detections
WHERE type = 'integrity.unexplained_gap' AND "end" IS NULL;

-- refused: agents whose frames were all refused for at least half a minute and until lately: three or more, none stored
-- since. An agent that was forgotten is none.
WITH letter AS (
    SELECT d.hub, d.agent, d.id, d.reason, least(d.last_seen, clock_timestamp()) AS seen,
        least(greatest(d.first_seen, a.heard), d.last_seen, clock_timestamp()) AS began
    FROM hubwatch.dead_letters d JOIN hubwatch.agents a USING (hub, agent)
    WHERE d.seq IS NOT NULL AND d.replayed IS NULL AND (a.heard > clock_timestamp() OR d.last_seen > a.heard) IS NOT FALSE
)
SELECT hub, agent, count(*) AS frames, min(began) AS since, (array_agg(reason ORDER BY seen DESC, id DESC))[1] AS reason
FROM letter GROUP BY hub, agent
HAVING count(*) >= 3 AND max(seen) > clock_timestamp() - INTERVAL '5 minutes'
    AND clock_timestamp() - min(began) >= INTERVAL '30 seconds'
ORDER BY hub, agent;

-- open_refused: findings about refused frames that are not over, and whether a frame was stored after the last refusal
SELECT f.id, f.hub, f.sensor, a.hub IS NULL OR (a.heard <= clock_timestamp() AND NOT EXISTS (
    SELECT FROM hubwatch.dead_letters d WHERE (d.hub, d.agent) = (f.hub, f.sensor) AND d.seq IS NOT NULL
        AND d.replayed IS NULL AND least(d.last_seen, clock_timestamp()) > a.heard)) IS TRUE AS over
FROM hubwatch.detections f LEFT JOIN hubwatch.agents a ON (a.hub, a.agent) = (f.hub, f.sensor)
WHERE f.type = 'integrity.frames_refused' AND f."end" IS NULL;
