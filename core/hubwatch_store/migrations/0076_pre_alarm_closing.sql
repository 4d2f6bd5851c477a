-- Wishes that alarms end because what reported their condition is gone. Anybody who knows writes one, in the transaction
-- in which it becomes true; the alarms component moves the alarms and takes the wish away, in one transaction.
CREATE TABLE hubwatch.alarm_closing (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asked timestamptz NOT NULL DEFAULT clock_timestamp(),
    hub text NOT NULL,
    -- NULL: of every sensor of the hub.
    sensor text,
    -- NULL: of every type. "radiation" means also all that begin with "radiation.".
    types text[],
    by text NOT NULL,
    reason text NOT NULL,
    -- Whether an alarm that nobody has acknowledged still waits for a person (state returned) instead of being closed.
    keep_unacknowledged boolean NOT NULL
);
