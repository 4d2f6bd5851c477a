-- Frames of an epoch that is over may still be under way: at the broker, with a collector that died, in the agent's
-- spool. Its gaps have the same time as others before nobody can explain them; until now each was told at once.
CREATE OR REPLACE VIEW hubwatch.ledger_gaps AS
WITH gaps AS (
    SELECT s.epoch_id, s.hub, s.agent, s.epoch, g.span, g.cause
    FROM hubwatch.ledger_spans s,
    LATERAL (SELECT unnest(s.dead_lettered) AS span, 'dead-lettered' AS cause
             UNION ALL SELECT unnest(s.evicted), 'evicted'
             UNION ALL SELECT unnest(s.missing), NULL) g
), seen AS (
    -- A gap is known since the frame after it was stored.
    SELECT g.*, lower(g.span) AS first_seq, upper(g.span) - 1 AS last_seq, coalesce(
        (SELECT c.at FROM hubwatch.frame f JOIN hubwatch.ledger_commit c ON c.id = f.commit_id
         WHERE f.epoch_id = g.epoch_id AND f.seq = upper(g.span)),
        (SELECT r.first_committed FROM hubwatch.frame_range r
         WHERE r.epoch_id = g.epoch_id AND r.first_seq = upper(g.span)),
        (SELECT e.first_seen FROM hubwatch.epoch e WHERE e.id = g.epoch_id)) AS since
    FROM gaps g
)
SELECT s.hub, s.agent, s.epoch, s.first_seq, s.last_seq, s.last_seq - s.first_seq + 1 AS frames,
    CASE
        WHEN s.cause IS NOT NULL THEN s.cause
        WHEN a.state = 'offline' AND a.epoch = s.epoch THEN 'agent down'
        WHEN greatest(s.since, a.last_late, a.state_since) > clock_timestamp() - l.grace THEN 'link down'
        ELSE 'unexplained'
    END AS cause, s.since
FROM seen s
CROSS JOIN hubwatch.ledger_grace l
LEFT JOIN hubwatch.agents a ON a.hub = s.hub AND a.agent = s.agent;
