-- What one shift leaves to the next: drafted from what stands in the database, with notes, signed by who leaves and by who
-- takes over. What somebody has signed changes only together with taking that signature away; what both have signed never.
CREATE TABLE hubwatch.handovers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub text NOT NULL,
    -- What stood in the database when it was drafted last, and by whom.
    drafted timestamptz NOT NULL,
    drafted_by text NOT NULL CHECK (drafted_by <> ''),
    drafted_verified boolean NOT NULL,
    facts jsonb NOT NULL,
    notes text NOT NULL DEFAULT '',
    left_by text,
    left_at timestamptz,
    left_verified boolean,
    taken_by text,
    taken_at timestamptz,
    taken_verified boolean,
    CHECK ((left_by IS NULL) = (left_at IS NULL) AND (left_by IS NULL) = (left_verified IS NULL)),
    CHECK ((taken_by IS NULL) = (taken_at IS NULL) AND (taken_by IS NULL) = (taken_verified IS NULL)),
    CHECK (taken_by IS NULL OR left_by IS NOT NULL),
    CHECK (taken_by <> left_by)
);
-- One at a time: who drafts again while it is not taken over renews it.
CREATE UNIQUE INDEX handovers_not_taken ON hubwatch.handovers (hub) WHERE taken_at IS NULL;
CREATE INDEX handovers_hub ON hubwatch.handovers (hub, id DESC);

-- What is signed: the digest of what both read.
CREATE FUNCTION hubwatch.handover_digest(h hubwatch.handovers) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(hubwatch.digest_of(h.id::text, h.hub, (extract(epoch FROM h.drafted) * 1000000)::bigint::text, h.drafted_by,
        h.drafted_verified::int::text, h.facts::text, h.notes), 'hex')
$$;
CREATE FUNCTION hubwatch.handover_signed_digest(h hubwatch.handovers) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(hubwatch.digest_of(h.id::text, h.hub, (extract(epoch FROM h.drafted) * 1000000)::bigint::text, h.drafted_by,
        h.drafted_verified::int::text, h.facts::text, h.notes, h.left_by,
        (extract(epoch FROM h.left_at) * 1000000)::bigint::text, h.left_verified::int::text, h.taken_by,
        (extract(epoch FROM h.taken_at) * 1000000)::bigint::text, h.taken_verified::int::text), 'hex')
$$;

CREATE FUNCTION hubwatch.guard_handover() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    same boolean;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.left_by IS NOT NULL THEN
            RAISE EXCEPTION 'a handover is signed after it was drafted' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.taken_at IS NOT NULL OR (NEW.id, NEW.hub) IS DISTINCT FROM (OLD.id, OLD.hub) THEN
        RAISE EXCEPTION 'a handover that both have signed is never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    same := (NEW.drafted, NEW.drafted_by, NEW.drafted_verified, NEW.facts, NEW.notes)
        IS NOT DISTINCT FROM (OLD.drafted, OLD.drafted_by, OLD.drafted_verified, OLD.facts, OLD.notes);
    IF NOT same AND NEW.left_by IS NOT NULL THEN
        RAISE EXCEPTION 'what was signed is not changed under a signature' USING ERRCODE = 'restrict_violation';
    END IF;
    -- Nobody signs for both, nor in the name of who had signed before.
    IF NEW.taken_by IS NOT NULL
        AND (NEW.left_by, NEW.left_at, NEW.left_verified) IS DISTINCT FROM (OLD.left_by, OLD.left_at, OLD.left_verified) THEN
        RAISE EXCEPTION 'a handover is taken over after it was signed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER handovers_guarded BEFORE INSERT OR UPDATE ON hubwatch.handovers
    FOR EACH ROW EXECUTE FUNCTION hubwatch.guard_handover();
CREATE TRIGGER handovers_not_deleted BEFORE DELETE ON hubwatch.handovers
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();
CREATE TRIGGER handovers_kept BEFORE TRUNCATE ON hubwatch.handovers
    FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.refuse_change();

-- The chain holds what both have signed.
CREATE FUNCTION hubwatch.chain_handover() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM hubwatch.add_to_chain(NEW.taken_by, NEW.taken_verified, NEW.hub, 'handover signed', 'handover ' || NEW.id,
        jsonb_build_object('row', NEW.id, 'left_by', NEW.left_by, 'digest', hubwatch.handover_signed_digest(NEW)));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER handovers_chained AFTER UPDATE ON hubwatch.handovers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.taken_at IS NULL AND NEW.taken_at IS NOT NULL)
    EXECUTE FUNCTION hubwatch.chain_handover();
