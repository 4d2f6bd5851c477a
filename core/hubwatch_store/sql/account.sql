-- accounts: the account of every epoch, of one hub or of all
SELECT hub, agent, epoch, published, committed, dead_lettered, evicted, missing, unexplained
FROM hubwatch.ledger_account WHERE %(hub)s::text IS NULL OR hub = %(hub)s ORDER BY hub, agent, epoch;

-- gaps: every gap with its cause, of one hub or of all
SELECT hub, agent, epoch, first_seq, last_seq, frames, cause, since
FROM hubwatch.ledger_gaps WHERE %(hub)s::text IS NULL OR hub = %(hub)s ORDER BY hub, agent, epoch, first_seq;

-- refused: of each of these epochs the newest dead letter that was not replayed, with the number of its frames
SELECT DISTINCT ON (hub, agent, epoch) hub, agent, epoch, count(*) OVER (PARTITION BY hub, agent, epoch) AS letters,
    reason, last_seen
FROM hubwatch.dead_letters JOIN unnest(%s::text[], %s::text[], %s::text[]) AS n (hub, agent, epoch) USING (hub, agent, epoch)
WHERE seq IS NOT NULL AND replayed IS NULL ORDER BY hub, agent, epoch, last_seen DESC, id DESC;

-- unlisted: agents whose dead letters name more epochs than the ledger lists, of one hub or of all
SELECT hub, agent, count(DISTINCT epoch) AS epochs, count(*) AS letters FROM hubwatch.dead_letters d
WHERE seq IS NOT NULL AND (%(hub)s::text IS NULL OR hub = %(hub)s)
    AND NOT EXISTS (SELECT FROM hubwatch.epoch e WHERE (e.hub, e.agent, e.epoch) = (d.hub, d.agent, d.epoch))
GROUP BY hub, agent ORDER BY hub, agent;
