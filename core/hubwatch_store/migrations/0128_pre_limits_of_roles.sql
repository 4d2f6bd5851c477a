-- How long statements and transactions of a role may take. PostgreSQL lets every session lift `statement_timeout`, and
-- every role its own default, so sessions that go on beyond this are ended from outside.

-- Rows are put here by `hubwatch db roles` (sql/roles.sql); without roles there is no limit.
CREATE TABLE hubwatch.role_limits (
    -- A login of the server.
    role name PRIMARY KEY,
    -- NULL: as long as it takes.
    statement interval,
    transaction interval
);

-- Whether we are the one who ends sessions now; until the transaction ends.
CREATE FUNCTION hubwatch.try_lock_ended_sessions() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM hubwatch.locks l WHERE l.name = 'ended_sessions' FOR NO KEY UPDATE SKIP LOCKED;
    RETURN FOUND;
END $$;

-- Ends sessions of this database that are beyond their limits, and says which. Its owner may end sessions of the logins
-- with limits because it is a member of them, and of no others; nobody logs in as it.
CREATE FUNCTION hubwatch.end_long_sessions()
RETURNS TABLE (login name, pid integer, what text, seconds double precision, most double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH beyond AS MATERIALIZED (
        SELECT DISTINCT ON (a.pid) a.usename, a.pid, x.what,
            extract(epoch FROM clock_timestamp() - x.began)::double precision AS seconds,
            extract(epoch FROM x.most)::double precision AS most
        FROM pg_stat_activity a
        JOIN hubwatch.role_limits l ON l.role = a.usename
        CROSS JOIN LATERAL (VALUES
            ('statement', CASE WHEN a.state IN ('active', 'fastpath function call') THEN a.query_start END, l.statement),
            ('transaction', a.xact_start, l.transaction)) x (what, began, most)
        WHERE a.datname = current_database() AND a.backend_type = 'client backend'
            AND clock_timestamp() - x.began > x.most
        ORDER BY a.pid, x.what
    )
    SELECT b.usename, b.pid, b.what, b.seconds, b.most FROM beyond b WHERE pg_terminate_backend(b.pid);
END $$;
REVOKE EXECUTE ON FUNCTION hubwatch.try_lock_ended_sessions(), hubwatch.end_long_sessions() FROM PUBLIC;
