-- Who has a badge, by the pseudonyms that agents send. The rows are those of the list imported last; each carries the
-- import that first said it so.

CREATE TABLE hubwatch.cardholder_imports (
    hub text NOT NULL REFERENCES hubwatch.hubs (hub),
    version integer NOT NULL CHECK (version > 0),
    imported timestamptz NOT NULL DEFAULT clock_timestamp(),
    imported_by text NOT NULL,
    note text NOT NULL,
    cardholders integer NOT NULL,
    written integer NOT NULL,
    removed integer NOT NULL,
    with_names boolean NOT NULL,
    PRIMARY KEY (hub, version)
);
CREATE TRIGGER cardholder_imports_immutable BEFORE UPDATE OR DELETE ON hubwatch.cardholder_imports
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();

CREATE TABLE hubwatch.cardholders (
    hub text NOT NULL,
    subject text NOT NULL,
    home_zone text,
    shift text,
    on_call boolean NOT NULL,
    clearance integer NOT NULL,
    valid_from timestamptz,
    valid_to timestamptz,
    version integer NOT NULL,
    PRIMARY KEY (hub, subject),
    FOREIGN KEY (hub, version) REFERENCES hubwatch.cardholder_imports (hub, version)
);

-- Apart, because fewer may read it: ops/timescaledb/names.sql grants it.
CREATE TABLE hubwatch.cardholder_names (
    hub text NOT NULL,
    subject text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (hub, subject),
    FOREIGN KEY (hub, subject) REFERENCES hubwatch.cardholders (hub, subject) ON DELETE CASCADE
);

-- Every change of a hub's security level. The one in force is the newest act that has not ended; hubs.security_level
-- says it. An act with `until` ends by itself, which is an entry of its own that names it in `ends`.
CREATE TABLE hubwatch.level_journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub text NOT NULL REFERENCES hubwatch.hubs (hub),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 3),
    former smallint NOT NULL CHECK (former BETWEEN 1 AND 3),
    by text NOT NULL,
    note text NOT NULL,
    until timestamptz,
    ends bigint UNIQUE REFERENCES hubwatch.level_journal (id)
);
CREATE INDEX level_journal_hub ON hubwatch.level_journal (hub, id);
CREATE TRIGGER level_journal_immutable BEFORE UPDATE OR DELETE ON hubwatch.level_journal
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();

-- What each level scales. The values are this project's choice; a hub may change them.
CREATE TABLE hubwatch.level_scales (
    what text NOT NULL,
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 3),
    value double precision NOT NULL,
    meaning text NOT NULL,
    PRIMARY KEY (what, level)
);
INSERT INTO hubwatch.level_scales (what, level, value, meaning)
SELECT what, level, value, meaning FROM (VALUES
    ('budget', 'false alarms a day that staff accept, times this', 1.0, 2.0, 4.0),
    ('priority', 'steps by which alarms become more urgent', 0, 0, 1),
    ('routes', 'alarms up to this priority go out on every route; 0: as each route is configured', 0, 1, 2),
    ('checklist', 'the checklist of this level is shown', 1, 2, 3),
    ('clock', 'time until somebody must have acknowledged, times this', 1.0, 0.5, 0.25)
) AS scale (what, meaning, one, two, three)
CROSS JOIN LATERAL (VALUES (1, one), (2, two), (3, three)) AS each (level, value);
