-- lock_for_writing: keeps these buckets of epochs from being folded until the transaction ends
SELECT hubwatch.lock_storing(%s::integer[]);

-- claim: enters frames; gives the commit's id, alone or with each frame that was new
WITH commit AS (
    INSERT INTO hubwatch.ledger_commit DEFAULT VALUES RETURNING id
), entered AS (
    INSERT INTO hubwatch.frame (epoch_id, seq, sent, commit_id, readings, events, late)
    SELECT epoch_id, seq, TIMESTAMPTZ 'epoch' + sent_us * INTERVAL '1 microsecond', commit.id, readings, events, late
    FROM unnest(%s::integer[], %s::bigint[], %s::bigint[], %s::integer[], %s::integer[], %s::boolean[])
        AS n (epoch_id, seq, sent_us, readings, events, late), commit
    WHERE NOT EXISTS (SELECT FROM hubwatch.frame_range r
                      WHERE r.epoch_id = n.epoch_id AND n.seq BETWEEN r.first_seq AND r.last_seq)
    ORDER BY epoch_id, seq
    ON CONFLICT DO NOTHING
    RETURNING epoch_id, seq
)
SELECT commit.id, entered.epoch_id, entered.seq FROM commit LEFT JOIN entered ON true;

-- stamp: sets the time of commit, as late as can be
UPDATE hubwatch.ledger_commit SET at = clock_timestamp() WHERE id = %s RETURNING at;
