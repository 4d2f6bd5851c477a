-- try_lock: whether we are the one who maintains; held until the connection ends
SELECT hubwatch.try_lock_maintenance();

-- record: writes what was done into the journal
INSERT INTO hubwatch.maintenance_journal (began, what, complete, detail) VALUES (%s, %s, %s, %s);

-- due: whether retention has not been completed within a time; what ended in the future did so by a clock set back since
SELECT NOT EXISTS (SELECT FROM hubwatch.maintenance_journal
                   WHERE what = 'retention' AND complete
                       AND ended BETWEEN clock_timestamp() - %s AND clock_timestamp());

-- now: the database's clock
SELECT clock_timestamp();

-- upkeep: holds in force, seconds that aggregates are behind (null: never made), late hours, last full retention
SELECT (SELECT count(*) FROM hubwatch.legal_holds WHERE released IS NULL),
    extract(epoch FROM clock_timestamp() - NULLIF(minute_to, '-infinity'))::double precision,
    (SELECT count(*) FROM (SELECT channel_id, hour FROM hubwatch.rollup_late UNION
        SELECT channel_id, hour FROM hubwatch.rollup_redo) l),
    (SELECT max(ended) FROM hubwatch.maintenance_journal WHERE what = 'retention' AND complete)
FROM hubwatch.rollup_state;

-- try_lock_sessions: whether we are the one who ends sessions, until the transaction ends
SELECT hubwatch.try_lock_ended_sessions() AS mine;

-- end_long_sessions: ends sessions that go on beyond the limits of their role, and says which
SELECT login, pid, what, seconds AS took_s, most AS most_s FROM hubwatch.end_long_sessions();
