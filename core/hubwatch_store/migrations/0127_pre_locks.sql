-- Locks by which parts of hubwatch wait for one another. Each is taken by a function of its own, so that a role is granted
-- the locks it needs and can take no other (sql/roles.sql): whoever may call pg_advisory_lock may hold up everybody.

-- Who holds a row has the lock until the transaction ends. Nobody but the owner may write here, or lock a row.
CREATE TABLE hubwatch.locks (
    name text PRIMARY KEY
);
INSERT INTO hubwatch.locks (name)
VALUES ('alarms'), ('cardholders'), ('ended_sessions'), ('legal_hold'), ('partitions'), ('process_owner'),
    ('refused_epochs'), ('site');

-- Waits for a lock. A row that is missing would let everybody in.
CREATE FUNCTION hubwatch.take_lock(lock text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM hubwatch.locks l WHERE l.name = take_lock.lock FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'hubwatch.locks has no row %', take_lock.lock USING ERRCODE = 'no_data_found';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION hubwatch.take_lock(text) FROM PUBLIC;

DO $do$
DECLARE
    each text;
BEGIN
    FOREACH each IN ARRAY ARRAY['alarms', 'cardholders', 'legal_hold', 'process_owner', 'refused_epochs', 'site'] LOOP
        EXECUTE format('CREATE FUNCTION hubwatch.lock_%s() RETURNS void LANGUAGE plpgsql SECURITY DEFINER'
            ' SET search_path = pg_catalog, pg_temp AS %L', each, format('BEGIN PERFORM'
            -- The number, too: programs of the version before wait for that.
            ' pg_advisory_xact_lock(hashtext(%L)); PERFORM hubwatch.take_lock(%L); END', 'hubwatch.' || each, each));
        EXECUTE format('REVOKE EXECUTE ON FUNCTION hubwatch.lock_%s() FROM PUBLIC', each);
    END LOOP;
END $do$;

-- These stay in memory, behind functions of the owner. Shared ones are taken by every batch that is stored: as rows they
-- would be a write each, and a MultiXact whenever two collectors store at once. Others last as long as a session: as rows
-- they would be one transaction for as long, which keeps dead rows from being removed.
CREATE FUNCTION hubwatch.lock_storing(buckets integer[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('hubwatch.fold'), b) FROM unnest(buckets) b ORDER BY b;
END $$;
CREATE FUNCTION hubwatch.lock_folding(bucket integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('hubwatch.fold'), bucket);
END $$;
CREATE FUNCTION hubwatch.lock_late_before() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('hubwatch.rollup'));
END $$;
CREATE FUNCTION hubwatch.try_lock_maintenance() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN pg_try_advisory_lock(hashtext('hubwatch.maintenance'));
END $$;
CREATE FUNCTION hubwatch.hold_schema() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_lock_shared(hashtext('hubwatch.migrations'));
END $$;
ALTER FUNCTION hubwatch.late_before() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION hubwatch.identities_known() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION hubwatch.identities_lock() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
REVOKE EXECUTE ON FUNCTION hubwatch.lock_storing(integer[]), hubwatch.lock_folding(integer), hubwatch.lock_late_before(),
    hubwatch.try_lock_maintenance(), hubwatch.hold_schema() FROM PUBLIC;

-- What took a lock by its number inside takes the row.
DO $do$
BEGIN
    EXECUTE replace(pg_get_functiondef('hubwatch.ensure_partitions'::regproc),
        'pg_advisory_xact_lock(hashtext(''hubwatch.partitions''))', 'hubwatch.take_lock(''partitions'')');
    EXECUTE replace(pg_get_functiondef('hubwatch.know_refused_epoch'::regproc),
        'pg_advisory_xact_lock(hashtext(''hubwatch.refused_epochs''))', 'hubwatch.lock_refused_epochs()');
END $do$;
