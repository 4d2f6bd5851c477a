-- The chain holds the alarms' journal too, and its end is signed from time to time.

-- Rows of the chain that only the database itself may write begin with `alarm_journal`.
ALTER FUNCTION hubwatch.journal(text, boolean, text, text, text, jsonb) RENAME TO add_to_chain;
CREATE FUNCTION hubwatch.journal(who text, verified boolean, hub text, act text, subject text, details jsonb)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF journal.act LIKE 'alarm\_journal%' THEN
        RAISE EXCEPTION 'the act % is written by the database only', journal.act USING ERRCODE = 'check_violation';
    END IF;
    RETURN hubwatch.add_to_chain(journal.who, journal.verified, journal.hub, journal.act, journal.subject, journal.details);
END $$;
REVOKE EXECUTE ON FUNCTION hubwatch.journal(text, boolean, text, text, text, jsonb) FROM PUBLIC;

CREATE FUNCTION hubwatch.alarm_journal_digest(j hubwatch.alarm_journal) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(hubwatch.digest_of(j.id::text, j.alarm::text, (extract(epoch FROM j.at) * 1000000)::bigint::text, j.action,
        j.by, j.from_state, j.to_state, j.note, j.detection), 'hex')
$$;

CREATE FUNCTION hubwatch.chain_alarm_journal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM hubwatch.add_to_chain(coalesce(nullif(NEW."by", ''), '?'), false,
        (SELECT a.hub FROM hubwatch.alarms a WHERE a.id = NEW.alarm), 'alarm_journal', 'alarm ' || NEW.alarm,
        jsonb_build_object('row', NEW.id, 'action', NEW.action, 'digest', hubwatch.alarm_journal_digest(NEW)));
    RETURN NULL;
END $$;
-- At the end of the transaction: the chain's end is locked last and for a moment only.
CREATE CONSTRAINT TRIGGER alarm_journal_chained AFTER INSERT ON hubwatch.alarm_journal
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hubwatch.chain_alarm_journal();

-- What was there before is held by one digest of its digests.
DO $$
DECLARE
    former record;
BEGIN
    SELECT count(*) AS rows, max(j.id) AS last,
        encode(hubwatch.digest_of(VARIADIC array_agg(hubwatch.alarm_journal_digest(j) ORDER BY j.id)), 'hex') AS digest
    INTO former FROM hubwatch.alarm_journal j;
    IF former.rows > 0 THEN
        PERFORM hubwatch.add_to_chain('system', false, NULL, 'alarm_journal so far', NULL,
            jsonb_build_object('rows', former.rows, 'until', former.last, 'digest', former.digest));
    END IF;
END $$;

CREATE TRIGGER alarm_journal_kept BEFORE TRUNCATE ON hubwatch.alarm_journal
    FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.refuse_change();
CREATE TRIGGER adjudications_kept BEFORE TRUNCATE ON hubwatch.adjudications
    FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.refuse_change();
CREATE TRIGGER level_journal_kept BEFORE TRUNCATE ON hubwatch.level_journal
    FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.refuse_change();

-- Rows of the chain whose hash was signed with Ed25519; `key` is the public one.
CREATE TABLE hubwatch.audit_signatures (
    id bigint NOT NULL REFERENCES hubwatch.audit (id),
    hash bytea NOT NULL,
    at timestamptz NOT NULL,
    key bytea NOT NULL CHECK (octet_length(key) = 32),
    signature bytea NOT NULL CHECK (octet_length(signature) = 64),
    PRIMARY KEY (id, key)
);
CREATE TRIGGER audit_signatures_immutable BEFORE UPDATE OR DELETE ON hubwatch.audit_signatures
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();
CREATE TRIGGER audit_signatures_kept BEFORE TRUNCATE ON hubwatch.audit_signatures
    FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.refuse_change();
