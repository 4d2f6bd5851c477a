-- keep: keeps frames of one hub as they came
INSERT INTO hubwatch.recent_frames (hub, agents, messages) VALUES (%s, %s, %s);

-- trim: deletes what is kept no longer, also what a clock of the future has stored
DELETE FROM hubwatch.recent_frames
WHERE stored < clock_timestamp() - %(keep)s::interval OR stored > clock_timestamp() + %(keep)s::interval;

-- unseen: frames that were stored a while ago and are in none of the numbers that somebody has seen, the first stored first
WITH known AS (
    SELECT * FROM unnest(%(hubs)s::text[], %(agents)s::text[], %(epochs)s::text[], %(unseen)s::text[])
        k (hub, agent, epoch, unseen)
), newest AS (
    SELECT hub, agent, max(epoch COLLATE "C") AS epoch FROM known GROUP BY hub, agent
), looked_for AS MATERIALIZED (
    -- An epoch of which nothing is known counts when it is newer than those that are: ULIDs sort by their time.
    SELECT e.id, e.hub, e.agent, e.epoch, s.span
    FROM hubwatch.epoch e
    LEFT JOIN known k ON (k.hub, k.agent, k.epoch) = (e.hub, e.agent, e.epoch)
    LEFT JOIN newest n ON (n.hub, n.agent) = (e.hub, e.agent)
    CROSS JOIN LATERAL unnest(coalesce(k.unseen, '{[1,)}')::int8multirange) s (span)
    WHERE (%(of_hubs)s::text[] IS NULL OR e.hub = ANY (%(of_hubs)s::text[]))
        AND (k.epoch IS NOT NULL OR (e.first_seen > %(since)s AND (e.epoch COLLATE "C" > n.epoch) IS NOT FALSE))
), tried AS (
    SELECT * FROM unnest(%(tried_hubs)s::text[], %(tried_agents)s::text[], %(tried_epochs)s::text[],
        %(tried_seqs)s::bigint[]) t (hub, agent, epoch, seq)
)
SELECT l.hub, l.agent, l.epoch, f.seq, c.at
FROM looked_for l
-- The limit keeps it a look into the index for each span, whatever the planner thinks of their number.
CROSS JOIN LATERAL (
    SELECT o.seq, o.commit_id FROM hubwatch.frame o
    WHERE o.epoch_id = l.id AND o.seq >= lower(l.span) AND o.seq < coalesce(upper(l.span), 9223372036854775807)
    ORDER BY o.seq LIMIT %(most)s + %(tried)s
) f
JOIN hubwatch.ledger_commit c ON c.id = f.commit_id
-- What was stored in the future was stored before the clock was set back.
WHERE c.at >= %(since)s AND (c.at < clock_timestamp() - %(settled)s::interval OR c.at > clock_timestamp())
    AND NOT EXISTS (SELECT FROM tried t WHERE (t.hub, t.agent, t.epoch, t.seq) = (l.hub, l.agent, l.epoch, f.seq))
ORDER BY c.at, l.hub, l.agent, l.epoch, f.seq LIMIT %(most)s;

-- came: what was kept of some agents of a hub between two times, some rows beyond an id
SELECT id, messages FROM hubwatch.recent_frames
WHERE stored BETWEEN %(first)s AND %(last)s AND hub = %(hub)s AND agents && %(agents)s::text[] AND id > %(beyond)s
ORDER BY id LIMIT %(most)s;
