-- Which database logins see which hubs. Nothing of it is in force before `hubwatch db roles` (sql/roles.sql) has run.

CREATE TABLE hubwatch.role_hubs (
    -- A role of the server; its members see the hub too. `*` stands for every hub.
    role name NOT NULL,
    hub text NOT NULL,
    PRIMARY KEY (role, hub)
);

-- Both go by who has logged in, for they are asked inside functions that run as their owner.
CREATE FUNCTION hubwatch.sees_all() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT EXISTS (SELECT FROM hubwatch.role_hubs)
        OR EXISTS (SELECT FROM hubwatch.role_hubs h JOIN pg_roles r ON r.rolname = h.role
            WHERE h.hub = '*' AND pg_has_role(session_user, r.oid, 'MEMBER'))
        OR EXISTS (SELECT FROM pg_namespace n
            WHERE n.nspname = 'hubwatch' AND pg_has_role(session_user, n.nspowner, 'MEMBER'))
$$;

CREATE FUNCTION hubwatch.my_hubs() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT h.hub), '{}') FROM hubwatch.role_hubs h JOIN pg_roles r ON r.rolname = h.role
    WHERE h.hub <> '*' AND pg_has_role(session_user, r.oid, 'MEMBER')
$$;

-- Readings are read with the rights of the owner here, so the hub is asked for here too.
CREATE FUNCTION hubwatch.sees_channel(channel integer) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT hubwatch.sees_all()
        OR EXISTS (SELECT FROM hubwatch.channels c WHERE c.id = sees_channel.channel AND c.hub = ANY (hubwatch.my_hubs()))
$$;
DO $do$
BEGIN
    EXECUTE replace(pg_get_functiondef('hubwatch.rollup'::regproc), 'hubwatch.rollup(', 'hubwatch.rollup_of_any(');
END $do$;
REVOKE EXECUTE ON FUNCTION hubwatch.rollup_of_any(interval, integer, timestamptz, timestamptz) FROM PUBLIC;
CREATE OR REPLACE FUNCTION hubwatch.rollup(width interval, channel integer, since timestamptz, until timestamptz)
RETURNS TABLE (bucket timestamptz, n bigint, n_good bigint, avg double precision, min double precision,
    max double precision, last double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.* FROM hubwatch.rollup_of_any(width, channel, since, until) r WHERE hubwatch.sees_channel(channel)
$$;

-- What follows from an insert needs no right of whoever inserts.
ALTER FUNCTION hubwatch.fill_alarm_inbox() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION hubwatch.notify_detections() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION hubwatch.notify_detection_ends() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION hubwatch.notify_alarms() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

-- Making and dropping partitions is the owner's. Whoever may call these two can do that, and no more: a table that is in
-- one piece is never dropped.
DO $do$
DECLARE
    place text := (SELECT n.nspname FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
                   WHERE x.extname = 'timescaledb');
BEGIN
    EXECUTE format($f$
        CREATE OR REPLACE FUNCTION hubwatch.drop_piece(parent text, piece text, first timestamptz, beyond timestamptz)
        RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            -- By its times: a name depends on the search path of whoever asked for it.
            found text := (SELECT p.piece FROM hubwatch.pieces(drop_piece.parent) p
                WHERE (p.first, p.beyond) = (drop_piece.first, drop_piece.beyond) AND p.beyond < '9000-01-01');
        BEGIN
            IF found IS NULL THEN
                RAISE EXCEPTION 'hubwatch.%% has no such partition', parent USING ERRCODE = 'undefined_table';
            END IF;
            %s
        END $$ $f$,
        CASE WHEN place IS NULL THEN 'EXECUTE format(''DROP TABLE %s'', found::regclass);'
            ELSE format('PERFORM %I.drop_chunks(format(''hubwatch.%%I'', parent)::regclass, older_than => beyond,
                newer_than => first);', place) END);
END $do$;
CREATE OR REPLACE FUNCTION hubwatch.ensure_partitions(parent text, moments timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $do$
DECLARE
    day timestamptz;
    child text;
    given record;
BEGIN
    IF hubwatch.has_timescaledb() THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('hubwatch.partitions'));
    FOR day IN SELECT DISTINCT date_trunc('day', m, 'UTC') FROM unnest(moments) m ORDER BY 1 LOOP
        child := parent || to_char(day AT TIME ZONE 'UTC', '"_"YYYYMMDD');
        IF to_regclass('hubwatch.' || child) IS NULL THEN
            EXECUTE format('CREATE TABLE hubwatch.%I (LIKE hubwatch.%I INCLUDING DEFAULTS)', child, parent);
            EXECUTE format('ALTER TABLE hubwatch.%I ATTACH PARTITION hubwatch.%I FOR VALUES FROM (%L) TO (%L)',
                parent, child, day, day + INTERVAL '24 hours');
            -- Whoever may delete may also lock and rewrite a partition, which is asked of the partition itself.
            FOR given IN SELECT a.privilege_type, r.rolname
                FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
                WHERE c.oid = format('hubwatch.%I', parent)::regclass AND a.grantee <> c.relowner
            LOOP
                EXECUTE format('GRANT %s ON hubwatch.%I TO %I', given.privilege_type, child, given.rolname);
            END LOOP;
        END IF;
    END LOOP;
END $do$;
REVOKE EXECUTE ON FUNCTION hubwatch.ensure_partitions(text, timestamptz[]),
    hubwatch.drop_piece(text, text, timestamptz, timestamptz) FROM PUBLIC;
