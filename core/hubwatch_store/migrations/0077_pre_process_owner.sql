-- Which process does the work that only one may do: judge a hub, move alarms. The row is a lease without a clock: its
-- owner raises `beats` every few seconds, and whoever waits takes over once it has seen no beat for long enough by its
-- own clock. A lock of a session could not do that: it stays behind a half-open connection, and is gone after a failover.
CREATE TABLE hubwatch.process_owner (
    token text PRIMARY KEY,
    kind text NOT NULL,
    name text NOT NULL,
    -- Empty: every hub. NULL: only the name counts.
    hubs text[],
    host text NOT NULL,
    pid integer NOT NULL,
    -- The running kernel and its process namespace, and when the process began in it: tells a dead one on one machine.
    machine text NOT NULL,
    began bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    beats bigint NOT NULL DEFAULT 0,
    -- Processes that wanted the same and were refused: how many, and the last one in words.
    refused bigint NOT NULL DEFAULT 0,
    refused_last text
) WITH (fillfactor = 50);
