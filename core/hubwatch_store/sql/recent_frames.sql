-- keep: keeps the frames of one hub that a commit stores, as they came
INSERT INTO hubwatch.recent_frames (commit_id, hub, agents, messages) VALUES (%s, %s, %s, %s);

-- trim: deletes what is kept no longer, also what a clock of the future has stored
DELETE FROM hubwatch.recent_frames
WHERE stored < clock_timestamp() - %(keep)s::interval OR stored > clock_timestamp() + %(keep)s::interval;

-- unseen: frames that were stored a while ago and are in none of the numbers that somebody has seen, the first stored first
WITH known AS (
    SELECT k.*, e.id, e.first_seen
    FROM unnest(%(hubs)s::text[], %(agents)s::text[], %(epochs)s::text[], %(unseen)s::text[])
        k (hub, agent, epoch, unseen)
    JOIN hubwatch.epoch e USING (hub, agent, epoch)
), newest AS (
    SELECT hub, agent, max(first_seen) AS first_seen FROM known GROUP BY hub, agent
), looked_for AS MATERIALIZED (
    -- An epoch of which nothing is known counts when it came later than those that are. A gone agent's do not.
    SELECT e.id, e.hub, e.agent, e.epoch, s.span
    FROM hubwatch.epoch e
    LEFT JOIN known k ON k.id = e.id
    LEFT JOIN newest n ON (n.hub, n.agent) = (e.hub, e.agent)
    LEFT JOIN unnest(%(left_hubs)s::text[], %(left_agents)s::text[], %(left_epochs)s::text[]) l (hub, agent, epoch)
        ON (l.hub, l.agent, l.epoch) = (e.hub, e.agent, e.epoch)
    LEFT JOIN hubwatch.agents a ON (a.hub, a.agent) = (e.hub, e.agent)
    CROSS JOIN LATERAL unnest(coalesce(k.unseen, '{[1,)}')::int8multirange) s (span)
    WHERE (%(of_hubs)s::text[] IS NULL OR e.hub = ANY (%(of_hubs)s::text[])) AND l.hub IS NULL AND a.gone IS NULL
        AND (k.id IS NOT NULL OR (e.first_seen > n.first_seen) IS NOT FALSE)
), tried AS (
    SELECT * FROM unnest(%(tried_hubs)s::text[], %(tried_agents)s::text[], %(tried_epochs)s::text[],
        %(tried_seqs)s::bigint[]) t (hub, agent, epoch, seq)
)
SELECT l.hub, l.agent, l.epoch, f.seq, f.commit_id, f.at
FROM looked_for l
-- The limit keeps it a look into the index for each span, whatever the planner thinks of their number.
CROSS JOIN LATERAL (
    SELECT o.seq, o.commit_id, c.at FROM hubwatch.frame o JOIN hubwatch.ledger_commit c ON c.id = o.commit_id
    WHERE o.epoch_id = l.id AND o.seq >= lower(l.span) AND o.seq < coalesce(upper(l.span), 9223372036854775807)
        -- What was stored in the future was stored before the clock was set back.
        AND c.at >= %(since)s AND (c.at < clock_timestamp() - %(settled)s::interval OR c.at > clock_timestamp())
        AND NOT EXISTS (SELECT FROM tried t WHERE (t.hub, t.agent, t.epoch, t.seq) = (l.hub, l.agent, l.epoch, o.seq))
    ORDER BY o.seq LIMIT %(most)s
) f
ORDER BY f.at, l.hub, l.agent, l.epoch, f.seq LIMIT %(most)s;

-- folded: how many frames that were stored long ago are in none of the numbers that somebody has seen, by epoch
WITH known AS (
    SELECT e.id, k.hub, k.agent, k.epoch, k.unseen::int8multirange AS unseen, e.first_seen
    FROM unnest(%(hubs)s::text[], %(agents)s::text[], %(epochs)s::text[], %(unseen)s::text[])
        k (hub, agent, epoch, unseen)
    JOIN hubwatch.epoch e USING (hub, agent, epoch)
), newest AS (
    SELECT hub, agent, max(first_seen) AS first_seen FROM known GROUP BY hub, agent
), looked_for AS MATERIALIZED (
    SELECT id, hub, agent, epoch, unseen FROM known
    UNION ALL
    SELECT e.id, e.hub, e.agent, e.epoch, '{[1,)}' FROM hubwatch.epoch e JOIN newest n
        ON (n.hub, n.agent) = (e.hub, e.agent) AND e.first_seen > n.first_seen
)
SELECT l.hub, l.agent, l.epoch, lower(f.spans), upper(f.spans) - 1, hubwatch.spans_length(f.spans)
FROM looked_for l
CROSS JOIN LATERAL (
    SELECT range_agg(int8range(r.first_seq, r.last_seq, '[]')) * l.unseen AS spans
    FROM hubwatch.frame_range r WHERE r.epoch_id = l.id AND r.last_seq >= lower(l.unseen)
) f
LEFT JOIN hubwatch.agents a ON (a.hub, a.agent) = (l.hub, l.agent)
WHERE NOT isempty(f.spans) AND a.gone IS NULL
ORDER BY l.hub, l.agent, l.epoch;

-- came: what was kept of commits
SELECT commit_id, messages FROM hubwatch.recent_frames
WHERE commit_id = ANY (%(commits)s::bigint[]) AND hub = ANY (%(hubs)s::text[]) AND agents && %(agents)s::text[];
