-- The account of every agent and epoch:
--     published = committed + dead-lettered + evicted-and-declared + missing
-- Each sequence number is counted once, in the order of that line. `published` is the highest number ever heard of.

-- How long a gap may be open, with its agent online and no backlog arriving, before nobody can explain it.
CREATE TABLE hubwatch.ledger_grace (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    grace interval NOT NULL
);
INSERT INTO hubwatch.ledger_grace (grace) VALUES (INTERVAL '120 seconds');

CREATE VIEW hubwatch.ledger_spans AS
WITH stored AS (
    SELECT epoch_id, int8range(first_seq, last_seq, '[]') AS span FROM hubwatch.frame_range
    UNION ALL
    SELECT epoch_id, int8range(min(seq), max(seq), '[]')
    FROM (SELECT epoch_id, seq, seq - row_number() OVER (PARTITION BY epoch_id ORDER BY seq) AS island
          FROM hubwatch.frame) f
    GROUP BY epoch_id, island
), committed AS (
    SELECT epoch_id, range_agg(span) AS spans FROM stored GROUP BY epoch_id
), dead AS (
    SELECT e.id AS epoch_id, range_agg(int8range(d.seq, d.seq, '[]')) AS spans
    FROM hubwatch.dead_letters d JOIN hubwatch.epoch e USING (hub, agent, epoch)
    WHERE d.seq IS NOT NULL GROUP BY e.id
), evicted AS (
    SELECT epoch_id, range_agg(int8range(first_seq, last_seq, '[]')) AS spans
    FROM hubwatch.eviction GROUP BY epoch_id
), raw AS (
    SELECT e.id AS epoch_id, e.hub, e.agent, e.epoch, coalesce(c.spans, '{}') AS committed,
        coalesce(d.spans, '{}') AS dead, coalesce(v.spans, '{}') AS evicted
    FROM hubwatch.epoch e
    LEFT JOIN committed c ON c.epoch_id = e.id
    LEFT JOIN dead d ON d.epoch_id = e.id
    LEFT JOIN evicted v ON v.epoch_id = e.id
)
SELECT epoch_id, hub, agent, epoch, committed, dead - committed AS dead_lettered,
    evicted - dead - committed AS evicted,
    coalesce(upper(committed + dead + evicted) - 1, 0) AS published,
    int8multirange(int8range(1, greatest(upper(committed + dead + evicted), 1))) - committed - dead - evicted AS missing
FROM raw;

CREATE VIEW hubwatch.ledger_gaps AS
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
        WHEN a.epoch = s.epoch AND greatest(s.since, a.last_late, a.state_since) > clock_timestamp() - l.grace
            THEN 'link down'
        ELSE 'unexplained'
    END AS cause, s.since
FROM seen s
CROSS JOIN hubwatch.ledger_grace l
LEFT JOIN hubwatch.agents a ON a.hub = s.hub AND a.agent = s.agent;

CREATE FUNCTION hubwatch.spans_length(spans int8multirange) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT coalesce(sum(upper(s) - lower(s)), 0)::bigint FROM unnest(spans) s $$;

CREATE VIEW hubwatch.ledger_account AS
SELECT s.hub, s.agent, s.epoch, s.published, hubwatch.spans_length(s.committed) AS committed,
    hubwatch.spans_length(s.dead_lettered) AS dead_lettered, hubwatch.spans_length(s.evicted) AS evicted,
    hubwatch.spans_length(s.missing) AS missing, coalesce(g.unexplained, 0)::bigint AS unexplained
FROM hubwatch.ledger_spans s
LEFT JOIN (SELECT hub, agent, epoch, sum(frames) AS unexplained FROM hubwatch.ledger_gaps
           WHERE cause = 'unexplained' GROUP BY hub, agent, epoch) g USING (hub, agent, epoch);
