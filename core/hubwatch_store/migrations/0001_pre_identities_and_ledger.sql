-- Who sends and what is measured (identities), and which frame is already stored (the ledger).
-- Names in the plural are public; names in the singular are the narrow tables beneath them.

CREATE TABLE hubwatch.hubs (
    hub text PRIMARY KEY,
    name text,
    mode text CHECK (mode IN ('sea', 'air', 'rail', 'land')),
    security_level smallint NOT NULL DEFAULT 1 CHECK (security_level BETWEEN 1 AND 3)
);

CREATE TABLE hubwatch.zones (
    hub text NOT NULL,
    zone text NOT NULL,
    name text,
    criticality smallint,
    PRIMARY KEY (hub, zone)
);

CREATE TABLE hubwatch.agents (
    hub text NOT NULL,
    agent text NOT NULL,
    epoch text,
    state text NOT NULL DEFAULT 'online' CHECK (state IN ('online', 'offline')),
    software text,
    config text,
    born timestamptz,
    last_frame timestamptz,
    last_seq bigint,
    state_since timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_late timestamptz,
    PRIMARY KEY (hub, agent)
) WITH (fillfactor = 70);

CREATE TABLE hubwatch.sensors (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub text NOT NULL,
    sensor text NOT NULL,
    agent text,
    kind text,
    zone text,
    profile text,
    max_age_s double precision,
    UNIQUE (hub, sensor)
);

CREATE TABLE hubwatch.channels (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sensor_id integer NOT NULL REFERENCES hubwatch.sensors (id),
    hub text NOT NULL,
    sensor text NOT NULL,
    channel text NOT NULL,
    unit text,
    kind text,
    period_us bigint,
    resolution double precision,
    UNIQUE (hub, sensor, channel)
);

-- One life of an agent's sequence; its integer stands for (hub, agent, epoch) in the ledger.
CREATE TABLE hubwatch.epoch (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub text NOT NULL,
    agent text NOT NULL,
    epoch text NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (hub, agent, epoch)
);

-- One row a transaction of a collector: `at` is set as its last statement, so it is the time of the commit
-- itself to within the commit's own duration.
CREATE TABLE hubwatch.ledger_commit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

CREATE TABLE hubwatch.frame (
    epoch_id integer NOT NULL,
    seq bigint NOT NULL,
    sent timestamptz NOT NULL,
    commit_id bigint NOT NULL,
    readings integer NOT NULL,
    events integer NOT NULL,
    late boolean NOT NULL,
    PRIMARY KEY (epoch_id, seq)
);

-- Frames of settled, contiguous sequences are folded into one row, so that the ledger stays small.
CREATE TABLE hubwatch.frame_range (
    epoch_id integer NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    readings bigint NOT NULL,
    events bigint NOT NULL,
    first_committed timestamptz NOT NULL,
    last_committed timestamptz NOT NULL,
    PRIMARY KEY (epoch_id, first_seq),
    CHECK (first_seq <= last_seq)
);

-- What agents declared (event agent.evicted) to have thrown away when their spool was full.
CREATE TABLE hubwatch.eviction (
    epoch_id integer NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    readings bigint NOT NULL,
    reason text NOT NULL,
    declared timestamptz NOT NULL,
    PRIMARY KEY (epoch_id, first_seq, last_seq),
    CHECK (first_seq <= last_seq)
);

CREATE TABLE hubwatch.dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    payload bytea NOT NULL,
    reason text NOT NULL,
    hub text,
    agent text,
    first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    count bigint NOT NULL DEFAULT 1,
    epoch text,
    seq bigint,
    replayed timestamptz,
    digest bytea NOT NULL UNIQUE
);
CREATE INDEX dead_letters_last_seen ON hubwatch.dead_letters (last_seen);
CREATE INDEX dead_letters_frame ON hubwatch.dead_letters (hub, agent, epoch, seq) WHERE seq IS NOT NULL;

CREATE VIEW hubwatch.frames AS
SELECT e.hub, e.agent, e.epoch, f.seq, f.sent, c.at AS committed, f.late, f.readings, f.events
FROM hubwatch.frame f
JOIN hubwatch.epoch e ON e.id = f.epoch_id
JOIN hubwatch.ledger_commit c ON c.id = f.commit_id;
