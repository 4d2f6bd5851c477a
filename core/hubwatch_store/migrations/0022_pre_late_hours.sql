-- Late hours gathered, so that each is made again once however many late readings it got. Only maintenance writes here,
-- one process at a time; writers go on adding to rollup_late, where they never wait for one another.
CREATE TABLE hubwatch.rollup_redo (
    channel_id integer NOT NULL,
    hour timestamptz NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    noted timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (channel_id, hour)
) WITH (fillfactor = 70);
