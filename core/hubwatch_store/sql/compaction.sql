-- lock_for_folding: keeps writers out of a bucket of epochs until the transaction ends
SELECT hubwatch.lock_folding(%s);

-- fold: turns settled frames of a bucket into ranges, oldest sequence numbers first; gives how many
SELECT hubwatch.fold_frames(%s, %s, %s);

-- forget_commits: drops the times of commits whose frames are all folded; gives how many
WITH gone AS (
    DELETE FROM hubwatch.ledger_commit
    WHERE (at < clock_timestamp() - %(keep)s::interval OR at > clock_timestamp() + %(keep)s::interval)
        AND id < coalesce((SELECT min(commit_id) FROM hubwatch.frame), (SELECT max(id) FROM hubwatch.ledger_commit))
    RETURNING 1
)
SELECT count(*) FROM gone;
