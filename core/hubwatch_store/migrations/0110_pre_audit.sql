-- The journal of what people and programs did, each row chained to the one before by SHA-256. Rows are added by
-- `hubwatch.journal` only.

CREATE TABLE hubwatch.audit (
    -- Without gaps, so that a row that is gone shows.
    id bigint PRIMARY KEY CHECK (id > 0),
    at timestamptz NOT NULL,
    who text CHECK (who <> ''),
    -- Whether somebody proved to be `who`; else it is what the writer says.
    verified boolean NOT NULL,
    hub text,
    act text NOT NULL CHECK (act ~ '^[a-z][a-z0-9 ._-]{0,62}$'),
    subject text,
    details jsonb,
    -- The login that wrote the row.
    role text NOT NULL,
    -- What may have to be erased (who, subject, details) is in the chain by `sealed` only, a digest with this salt: the
    -- chain still holds when they are gone.
    salt bytea,
    sealed bytea NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    CHECK ((salt IS NULL) = (who IS NULL) AND (salt IS NULL) = (details IS NULL) AND (salt IS NOT NULL OR subject IS NULL))
);
CREATE INDEX audit_at ON hubwatch.audit (at);
CREATE INDEX audit_subject ON hubwatch.audit (subject, id) WHERE subject IS NOT NULL;
CREATE TRIGGER audit_immutable BEFORE UPDATE OR DELETE ON hubwatch.audit
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();
CREATE TRIGGER audit_kept BEFORE TRUNCATE ON hubwatch.audit
    FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.refuse_change();

-- The end of the chain. Its row is the lock under which rows are added.
CREATE TABLE hubwatch.audit_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id bigint NOT NULL,
    hash bytea NOT NULL
) WITH (fillfactor = 50);
INSERT INTO hubwatch.audit_head (id, hash) VALUES (0, decode(repeat('00', 32), 'hex'));
CREATE TRIGGER audit_head_kept BEFORE DELETE ON hubwatch.audit_head
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();
CREATE TRIGGER audit_head_not_emptied BEFORE TRUNCATE ON hubwatch.audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.refuse_change();

-- SHA-256 of fields, each as `LENGTH:TEXT,` with its length in bytes of UTF-8, or `-,` when it is NULL.
CREATE FUNCTION hubwatch.digest_of(VARIADIC fields text[]) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(convert_to(string_agg(
        coalesce(octet_length(convert_to(f.field, 'UTF8')) || ':' || f.field, '-') || ',', '' ORDER BY f.place), 'UTF8'))
    FROM unnest(fields) WITH ORDINALITY f (field, place)
$$;

-- Adds a row and returns its id. It runs with the rights of its owner, so that a role may add without being able to
-- change. Other transactions that add wait until this one ends, so call it last.
CREATE FUNCTION hubwatch.journal(who text, verified boolean, hub text, act text, subject text, details jsonb)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    head record;
    at timestamptz;
    number bigint;
    salt bytea := uuid_send(gen_random_uuid());
    sealed bytea;
    chained bytea;
BEGIN
    SELECT h.id, h.hash INTO STRICT head FROM hubwatch.audit_head h FOR UPDATE;
    at := clock_timestamp();
    number := head.id + 1;
    details := coalesce(details, '{}');
    sealed := hubwatch.digest_of(encode(salt, 'hex'), who, subject, details::text);
    chained := hubwatch.digest_of(encode(head.hash, 'hex'), number::text, (extract(epoch FROM at) * 1000000)::bigint::text,
        verified::int::text, hub, act, session_user::text, encode(sealed, 'hex'));
    INSERT INTO hubwatch.audit AS a (id, at, who, verified, hub, act, subject, details, role, salt, sealed, previous, hash)
    VALUES (number, at, who, verified, hub, act, subject, details, session_user, salt, sealed, head.hash, chained);
    UPDATE hubwatch.audit_head h SET id = number, hash = chained;
    RETURN number;
END $$;
REVOKE EXECUTE ON FUNCTION hubwatch.journal(text, boolean, text, text, text, jsonb) FROM PUBLIC;
