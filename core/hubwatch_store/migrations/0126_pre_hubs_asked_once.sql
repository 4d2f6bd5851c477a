-- Which hubs a login sees is asked for every table of every query. As SQL functions these were planned anew each time, a
-- fifth of a millisecond (measured), and a query of a board asks ten to twenty times. PL/pgSQL keeps a plan for the
-- session. They change nothing, so queries that ask may run in parallel.

CREATE OR REPLACE FUNCTION hubwatch.sees_all() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN NOT EXISTS (SELECT FROM hubwatch.role_hubs)
        OR EXISTS (SELECT FROM hubwatch.role_hubs h JOIN pg_roles r ON r.rolname = h.role
            WHERE h.hub = '*' AND pg_has_role(session_user, r.oid, 'MEMBER'))
        OR EXISTS (SELECT FROM pg_namespace n
            WHERE n.nspname = 'hubwatch' AND pg_has_role(session_user, n.nspowner, 'MEMBER'));
END $$;

CREATE OR REPLACE FUNCTION hubwatch.my_hubs() RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT coalesce(array_agg(DISTINCT h.hub), '{}') FROM hubwatch.role_hubs h JOIN pg_roles r ON r.rolname = h.role
        WHERE h.hub <> '*' AND pg_has_role(session_user, r.oid, 'MEMBER'));
END $$;
