-- What people have ticked, or taken a tick from, on the checklist of a security level; never changed. The list itself is in
-- the hub's site, and its text is kept here as it was read. A list begins anew with every change of the level.
CREATE TABLE hubwatch.checklist_journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub text NOT NULL REFERENCES hubwatch.hubs (hub),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The change with which the level began; NULL: the level is as the hub began.
    began bigint REFERENCES hubwatch.level_journal (id),
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 3),
    item text NOT NULL CHECK (item <> ''),
    text text NOT NULL,
    done boolean NOT NULL,
    by text NOT NULL CHECK (by <> ''),
    verified boolean NOT NULL,
    note text
);
CREATE INDEX checklist_journal_list ON hubwatch.checklist_journal (hub, began, item, id DESC);
CREATE TRIGGER checklist_journal_immutable BEFORE UPDATE OR DELETE ON hubwatch.checklist_journal
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();
CREATE TRIGGER checklist_journal_kept BEFORE TRUNCATE ON hubwatch.checklist_journal
    FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.refuse_change();
