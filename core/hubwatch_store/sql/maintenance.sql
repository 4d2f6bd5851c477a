-- try_lock: whether we are the one who maintains; held until the connection ends
SELECT pg_try_advisory_lock(hashtext('hubwatch.maintenance'));

-- record: writes what was done into the journal
INSERT INTO hubwatch.maintenance_journal (began, what, complete, detail) VALUES (%s, %s, %s, %s);

-- due: whether retention has not been completed within a time
SELECT NOT EXISTS (SELECT FROM hubwatch.maintenance_journal
                   WHERE what = 'retention' AND complete AND ended > clock_timestamp() - %s);

-- now: the database's clock
SELECT clock_timestamp();

-- last: when retention was completed last
SELECT max(ended) FROM hubwatch.maintenance_journal WHERE what = 'retention' AND complete;
