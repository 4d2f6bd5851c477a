-- The chain holds also whether whoever acted on an alarm had shown who they are. Rows of the chain that do have the form 2
-- in their details; those from before have none.

-- Nothing is added meanwhile: what is there is digested below.
LOCK TABLE hubwatch.alarm_journal IN SHARE ROW EXCLUSIVE MODE;

CREATE OR REPLACE FUNCTION hubwatch.alarm_journal_digest(j hubwatch.alarm_journal) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(hubwatch.digest_of(j.id::text, j.alarm::text, (extract(epoch FROM j.at) * 1000000)::bigint::text, j.action,
        j.by, j.from_state, j.to_state, j.note, j.detection, j.verified::int::text), 'hex')
$$;

CREATE OR REPLACE FUNCTION hubwatch.chain_alarm_journal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM hubwatch.add_to_chain(coalesce(nullif(NEW."by", ''), '?'), coalesce(NEW.verified, false),
        (SELECT a.hub FROM hubwatch.alarms a WHERE a.id = NEW.alarm), 'alarm_journal', 'alarm ' || NEW.alarm,
        jsonb_build_object('row', NEW.id, 'action', NEW.action, 'digest', hubwatch.alarm_journal_digest(NEW), 'form', 2));
    RETURN NULL;
END $$;

-- What was there before is held as it is from now on, beside what the chain said of it without that column.
DO $$
DECLARE
    former record;
BEGIN
    SELECT count(*) AS rows, max(j.id) AS last,
        encode(hubwatch.digest_of(VARIADIC array_agg(hubwatch.alarm_journal_digest(j) ORDER BY j.id)), 'hex') AS digest
    INTO former FROM hubwatch.alarm_journal j;
    IF former.rows > 0 THEN
        PERFORM hubwatch.add_to_chain('system', false, NULL, 'alarm_journal so far', NULL, jsonb_build_object(
            'rows', former.rows, 'until', former.last, 'digest', former.digest, 'form', 2));
    END IF;
END $$;
