-- What Grafana's own alert rules ask: of each hub that a reader may see, 1 for what is wrong; frames are counted. Also of a
-- hub whose agents are all gone, and of one that the reader was given and that is not there: what has no row is calm for
-- Grafana as long as another hub has one. A hub that never had an agent counts only where the reader was given it by name.
CREATE FUNCTION hubwatch.board_alerts()
RETURNS TABLE (hub text, data_stopped integer, unexplained bigint, not_judged integer, not_told integer)
LANGUAGE sql STABLE AS $$
    WITH watched AS (
        SELECT h.hub FROM hubwatch.hubs h WHERE EXISTS (SELECT FROM hubwatch.agents a WHERE a.hub = h.hub)
        UNION
        SELECT unnest(hubwatch.my_hubs())
    ), lost AS (
        -- Nothing brings such a frame back: after a day people know of it by its alarm. Before another gap a gap has no
        -- time of its own, so how old it is is not known.
        SELECT g.hub, sum(g.frames)::bigint AS frames
        FROM (SELECT o.*, lead(o.first_seq) OVER (PARTITION BY o.hub, o.agent, o.epoch ORDER BY o.first_seq) AS next_gap
            FROM hubwatch.ledger_gaps o) g
        WHERE g.cause = 'unexplained' AND (g.since > now() - INTERVAL '1 day' OR g.next_gap = g.last_seq + 1)
        GROUP BY g.hub
    )
    SELECT w.hub, coalesce(max((d.works = 'NOT SURE' AND d.place = 1)::integer), 1), coalesce(max(l.frames), 0),
        coalesce(max((d.works = 'NOT SURE' AND d.place = 2)::integer), 1),
        coalesce(max((d.works = 'NOT SURE' AND d.place IN (3, 4))::integer), 1)
    FROM watched w
    LEFT JOIN lost l ON l.hub = w.hub
    LEFT JOIN LATERAL hubwatch.board_duties(ARRAY[w.hub]) d ON true
    GROUP BY w.hub
    ORDER BY w.hub
$$;
