-- What people do with incidents: comment, assign, merge, split, close with a word about what it was.
ALTER TABLE hubwatch.incidents
    -- That of the most severe alarm it has had; NULL until the first one is looked at.
    ADD COLUMN priority smallint CHECK (priority BETWEEN 1 AND 4),
    -- Who has promised to see to it.
    ADD COLUMN assigned text CHECK (assigned <> ''),
    -- Comments since a person last closed it. With one of them, or with somebody who has it, it is closed by a person only.
    ADD COLUMN comments integer NOT NULL DEFAULT 0 CHECK (comments >= 0),
    ADD COLUMN merged_into bigint REFERENCES hubwatch.incidents (id),
    -- What it was, in the word of whoever closed it.
    ADD COLUMN verdict text CHECK (verdict IN ('real', 'innocent', 'false', 'test', 'tamper', 'other')),
    ADD COLUMN judged timestamptz,
    ADD COLUMN judged_by text,
    -- Whether its alarms have changed hands since its title was made.
    ADD COLUMN title_due boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT incidents_judged CHECK ((verdict IS NULL) = (judged IS NULL) AND (verdict IS NULL) = (judged_by IS NULL)),
    ADD CONSTRAINT incidents_merged_is_closed CHECK (merged_into IS NULL OR (closed IS NOT NULL AND merged_into <> id));
UPDATE hubwatch.incidents i SET priority = (SELECT min(a.priority) FROM hubwatch.alarms a WHERE a.incident = i.id);
CREATE INDEX incidents_title_due ON hubwatch.incidents (id) WHERE title_due;
CREATE INDEX incidents_merged ON hubwatch.incidents (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX incidents_closed ON hubwatch.incidents (hub, closed DESC) WHERE closed IS NOT NULL;

-- A title is made of what began first and of what is most severe: both are few rows of an incident of many.
CREATE INDEX alarms_incident_opened ON hubwatch.alarms (incident, opened, id);
CREATE INDEX alarms_incident_priority ON hubwatch.alarms (incident, priority, opened);
DROP INDEX hubwatch.alarms_incident;

-- What was done with an incident, by people and by the alarms process; never changed.
CREATE TABLE hubwatch.incident_journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident bigint NOT NULL REFERENCES hubwatch.incidents (id),
    hub text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    action text NOT NULL CHECK (action IN
        ('commented', 'assigned', 'unassigned', 'merged', 'merged_into', 'split', 'split_from', 'raised', 'closed', 'reopened')),
    by text NOT NULL CHECK (by <> ''),
    -- Whether that person had shown who they are; NULL where no person acted.
    verified boolean,
    note text,
    -- The alarm that it is about.
    alarm bigint REFERENCES hubwatch.alarms (id),
    -- The other incident.
    other bigint REFERENCES hubwatch.incidents (id),
    verdict text,
    -- To whom it was assigned.
    person text,
    CHECK (action <> 'commented' OR note IS NOT NULL)
);
CREATE INDEX incident_journal_incident ON hubwatch.incident_journal (incident, id);
-- What people found alarms to be by closing an incident carries the moment of that.
CREATE INDEX incident_journal_closed ON hubwatch.incident_journal (at) WHERE action = 'closed';
CREATE TRIGGER incident_journal_immutable BEFORE UPDATE OR DELETE ON hubwatch.incident_journal
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();
CREATE TRIGGER incident_journal_kept BEFORE TRUNCATE ON hubwatch.incident_journal
    FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.refuse_change();

-- The chain holds it, as it holds the alarms' journal: a row of it for each, with a digest.
CREATE FUNCTION hubwatch.incident_journal_digest(j hubwatch.incident_journal) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(hubwatch.digest_of(j.id::text, j.incident::text, j.hub, (extract(epoch FROM j.at) * 1000000)::bigint::text,
        j.action, j.by, j.verified::int::text, j.note, j.alarm::text, j.other::text, j.verdict, j.person), 'hex')
$$;
CREATE FUNCTION hubwatch.chain_incident_journal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM hubwatch.add_to_chain(NEW."by", coalesce(NEW.verified, false), NEW.hub, 'incident_journal',
        'incident ' || NEW.incident,
        jsonb_build_object('row', NEW.id, 'action', NEW.action, 'digest', hubwatch.incident_journal_digest(NEW)));
    RETURN NULL;
END $$;
-- At the end of the transaction: the chain's end is locked last and for a moment only.
CREATE CONSTRAINT TRIGGER incident_journal_chained AFTER INSERT ON hubwatch.incident_journal
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hubwatch.chain_incident_journal();

-- No program writes such rows of the chain itself.
DO $do$
DECLARE
    former CONSTANT text := pg_get_functiondef('hubwatch.journal(text, boolean, text, text, text, jsonb)'::regprocedure);
    mended CONSTANT text := replace(former, $$OR journal.act LIKE 'adjudication%'$$,
        $$OR journal.act LIKE 'adjudication%' OR journal.act LIKE 'incident\_journal%' OR journal.act = 'handover signed'$$);
BEGIN
    IF mended = former THEN
        RAISE EXCEPTION 'hubwatch.journal is not as this migration knows it';
    END IF;
    EXECUTE mended;
END $do$;
