-- lock: let one process at a time look and claim; held to the end of the transaction
SELECT hubwatch.lock_process_owner();

-- holders: the processes that do one kind of work
SELECT token, name, hubs, host, pid, machine, began, since, beats FROM hubwatch.process_owner
WHERE kind = %(kind)s ORDER BY since, token;

-- claim: say that a process does this work
INSERT INTO hubwatch.process_owner (token, kind, name, hubs, host, pid, machine, began)
VALUES (%(token)s, %(kind)s, %(name)s, %(hubs)s, %(host)s, %(pid)s, %(machine)s, %(began)s)
ON CONFLICT (token) DO NOTHING;

-- remove: say that a process does no work any more
-- Waits for the transactions of its owner that have asked `ours`.
DELETE FROM hubwatch.process_owner WHERE token = ANY (%(tokens)s);

-- beat: show that the owner lives; no row when it has lost the name
UPDATE hubwatch.process_owner SET beats = beats + 1 WHERE token = %(token)s RETURNING refused, refused_last;

-- refuse: tell owners who else wanted their work
UPDATE hubwatch.process_owner SET refused = refused + 1, refused_last = %(who)s WHERE token = ANY (%(tokens)s);

-- ours: no row when the name was lost; nobody takes it before this transaction ends
SELECT token FROM hubwatch.process_owner WHERE token = %(token)s FOR KEY SHARE;
