-- Acts that wait for a second person. One that was agreed to is done in the same transaction where hubwatch does it
-- itself; else whoever does it takes it once (`done`).
CREATE TABLE hubwatch.approvals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    act text NOT NULL,
    hub text,
    subject text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    reason text NOT NULL,
    asked_by text NOT NULL,
    asked timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires timestamptz NOT NULL,
    decision text CHECK (decision IN ('approved', 'refused', 'expired')),
    decided_by text,
    decided timestamptz,
    note text,
    done timestamptz,
    CHECK (decided_by IS DISTINCT FROM asked_by),
    CHECK ((decision IS NULL) = (decided IS NULL)),
    CHECK (decision IS NULL OR decision = 'expired' OR decided_by IS NOT NULL)
);
CREATE UNIQUE INDEX approvals_waiting ON hubwatch.approvals (act, hub, subject) NULLS NOT DISTINCT
    WHERE decision IS NULL;

-- Whether whoever acted had shown who they are: false where there is no directory, NULL for what no person did and for
-- what was written before there was a directory.
ALTER TABLE hubwatch.alarm_journal ADD COLUMN verified boolean;
ALTER TABLE hubwatch.adjudications ADD COLUMN verified boolean;
