-- Frames as they came, for about an hour: a broker that is killed before it has saved what waited for the detectors has
-- given the collectors their copy and loses the other. Detectors then judge from here.
CREATE TABLE hubwatch.recent_frames (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    commit_id bigint NOT NULL,
    hub text NOT NULL,
    stored timestamptz NOT NULL DEFAULT clock_timestamp(),
    agents text[] NOT NULL,
    messages bytea NOT NULL
);
-- Messages come compressed.
ALTER TABLE hubwatch.recent_frames ALTER COLUMN messages SET STORAGE EXTERNAL;
CREATE INDEX recent_frames_commit ON hubwatch.recent_frames (commit_id);
