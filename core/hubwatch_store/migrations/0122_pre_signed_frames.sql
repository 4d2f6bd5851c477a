-- Signed frames as they came, so that it can be shown to others who said what. A row holds those of one hub in one
-- transaction: lines of JSON, compressed by zlib.
CREATE TABLE hubwatch.signed_frame (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub text NOT NULL,
    received timestamptz NOT NULL DEFAULT clock_timestamp(),
    agents text[] NOT NULL,
    frames integer NOT NULL,
    lines bytea NOT NULL
);
ALTER TABLE hubwatch.signed_frame ALTER COLUMN lines SET STORAGE EXTERNAL;
CREATE INDEX signed_frame_hub ON hubwatch.signed_frame (hub, received);

-- How long they are kept. Change the row to change it.
CREATE TABLE hubwatch.signed_frame_bounds (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    keep interval NOT NULL CHECK (keep > INTERVAL '0')
);
INSERT INTO hubwatch.signed_frame_bounds (keep) VALUES (INTERVAL '90 days');
