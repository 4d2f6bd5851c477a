-- keep: what came of the last beat; when one was taken stays known while none is
INSERT INTO hubwatch.dead_man AS d (at, every_s, outcome, reason, taken)
VALUES (%(at)s, %(every_s)s, %(outcome)s, %(reason)s, %(taken)s)
ON CONFLICT (one) DO UPDATE SET at = excluded.at, every_s = excluded.every_s, outcome = excluded.outcome,
    reason = excluded.reason, taken = coalesce(excluded.taken, d.taken);

-- forget: no dead man is set
DELETE FROM hubwatch.dead_man;
