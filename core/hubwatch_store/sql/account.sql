-- accounts: the account of every epoch, of one hub or of all
SELECT hub, agent, epoch, published, committed, dead_lettered, evicted, missing, unexplained
FROM hubwatch.ledger_account WHERE %(hub)s::text IS NULL OR hub = %(hub)s ORDER BY hub, agent, epoch;

-- gaps: every gap with its cause, of one hub or of all
SELECT hub, agent, epoch, first_seq, last_seq, frames, cause, since
FROM hubwatch.ledger_gaps WHERE %(hub)s::text IS NULL OR hub = %(hub)s ORDER BY hub, agent, epoch, first_seq;
