-- What Grafana's own alert rules ask: of each hub that a reader may see and that has agents, 1 for what is wrong.
-- A number that counts is given as it is. Nothing is answered where there is no such hub: the rules take that for wrong.
CREATE FUNCTION hubwatch.board_alerts()
RETURNS TABLE (hub text, data_stopped integer, unexplained bigint, not_judged integer, not_told integer)
LANGUAGE sql STABLE AS $$
    SELECT h.hub, max((d.works = 'NOT SURE' AND d.place = 1)::integer),
        (SELECT coalesce(sum(g.frames), 0)::bigint FROM hubwatch.ledger_gaps g
            WHERE g.hub = h.hub AND g.cause = 'unexplained'),
        max((d.works = 'NOT SURE' AND d.place = 2)::integer), max((d.works = 'NOT SURE' AND d.place IN (3, 4))::integer)
    FROM hubwatch.hubs h
    CROSS JOIN LATERAL hubwatch.board_duties(ARRAY[h.hub]) d
    WHERE EXISTS (SELECT FROM hubwatch.agents a WHERE a.hub = h.hub AND a.gone IS NULL)
    GROUP BY h.hub
    ORDER BY h.hub
$$;
