-- The states of ISA-18.2 / IEC 62682 that were missing, and what has a moment of its own.
ALTER TABLE hubwatch.alarms
    DROP CONSTRAINT alarms_state_check,
    ADD CONSTRAINT alarms_state_check CHECK (state IN
        ('unacknowledged', 'acknowledged', 'returned', 'normal', 'shelved', 'suppressed', 'out_of_service')),
    -- When it returns, where its condition has gone and may come back until then.
    ADD COLUMN returns_at timestamptz,
    -- When it is told again, where nobody takes it until then.
    ADD COLUMN realarm timestamptz,
    -- Whether it was opened while it was expected or out of service, so that nobody was told of it.
    ADD COLUMN unseen boolean NOT NULL DEFAULT false,
    -- Whether it stays, once its condition has gone, until somebody has reset it.
    ADD COLUMN latching boolean NOT NULL DEFAULT false;
CREATE INDEX alarms_returns ON hubwatch.alarms (returns_at) WHERE returns_at IS NOT NULL;
CREATE INDEX alarms_realarm ON hubwatch.alarms (realarm) WHERE realarm IS NOT NULL;
CREATE INDEX alarms_suppressed ON hubwatch.alarms (id) WHERE state IN ('suppressed', 'out_of_service');
-- Which alarm a condition had last: it is that one again when it comes back soon.
CREATE INDEX alarms_last_closed ON hubwatch.alarms (hub, sensor, type, closed DESC) WHERE closed IS NOT NULL;

-- Detections of types with an on delay. `outcome` stays empty while one waits; `passed` is what ended before its time
-- and made no alarm.
CREATE TABLE hubwatch.alarm_delayed (
    detection text PRIMARY KEY,
    hub text NOT NULL,
    since timestamptz NOT NULL,
    due timestamptz NOT NULL,
    outcome text CHECK (outcome IN ('alarmed', 'passed')),
    decided timestamptz,
    CHECK ((outcome IS NULL) = (decided IS NULL))
);
CREATE INDEX alarm_delayed_waiting ON hubwatch.alarm_delayed (due) WHERE outcome IS NULL;
