-- The chain holds what people found alarms to be, as it holds the alarms' journal: a row of it for each, with a digest.

-- Nothing is added meanwhile: what is there is digested below.
LOCK TABLE hubwatch.adjudications IN SHARE ROW EXCLUSIVE MODE;

CREATE OR REPLACE FUNCTION hubwatch.journal(who text, verified boolean, hub text, act text, subject text, details jsonb)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF journal.act LIKE 'alarm\_journal%' OR journal.act LIKE 'adjudication%' THEN
        RAISE EXCEPTION 'the act % is written by the database only', journal.act USING ERRCODE = 'check_violation';
    END IF;
    RETURN hubwatch.add_to_chain(journal.who, journal.verified, journal.hub, journal.act, journal.subject, journal.details);
END $$;

CREATE FUNCTION hubwatch.adjudication_digest(a hubwatch.adjudications) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(hubwatch.digest_of(a.id::text, a.alarm::text, (extract(epoch FROM a.at) * 1000000)::bigint::text,
        a.detection, a.verdict, a.by, a.note, a.verified::int::text), 'hex')
$$;

CREATE FUNCTION hubwatch.chain_adjudication() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM hubwatch.add_to_chain(coalesce(nullif(NEW."by", ''), '?'), coalesce(NEW.verified, false),
        (SELECT a.hub FROM hubwatch.alarms a WHERE a.id = NEW.alarm), 'adjudication', 'alarm ' || NEW.alarm,
        jsonb_build_object('row', NEW.id, 'verdict', NEW.verdict, 'digest', hubwatch.adjudication_digest(NEW)));
    RETURN NULL;
END $$;
-- At the end of the transaction: the chain's end is locked last and for a moment only.
CREATE CONSTRAINT TRIGGER adjudications_chained AFTER INSERT ON hubwatch.adjudications
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hubwatch.chain_adjudication();

-- What was there before is held by one digest of its digests.
DO $$
DECLARE
    former record;
BEGIN
    SELECT count(*) AS rows, max(a.id) AS last,
        encode(hubwatch.digest_of(VARIADIC array_agg(hubwatch.adjudication_digest(a) ORDER BY a.id)), 'hex') AS digest
    INTO former FROM hubwatch.adjudications a;
    IF former.rows > 0 THEN
        PERFORM hubwatch.add_to_chain('system', false, NULL, 'adjudication so far', NULL,
            jsonb_build_object('rows', former.rows, 'until', former.last, 'digest', former.digest));
    END IF;
END $$;
