-- What the detectors have taken since their states were last written: with it they judge again after a crash. A row is
-- written with every save, in the transaction of what was found; those that a snapshot of the states holds are removed
-- with it.
CREATE TABLE hubwatch.detector_journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub text NOT NULL,
    version integer NOT NULL,
    entries bytea NOT NULL,
    saved timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX detector_journal_hub ON hubwatch.detector_journal (hub, id);
-- Entries and states come compressed.
ALTER TABLE hubwatch.detector_journal ALTER COLUMN entries SET STORAGE EXTERNAL;
ALTER TABLE hubwatch.detector_state ALTER COLUMN state SET STORAGE EXTERNAL;
