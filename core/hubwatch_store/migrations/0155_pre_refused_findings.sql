-- Findings of which no alarm could be made, because the database or the code would not have them: each by itself, so that
-- none holds up the others. Whoever has put it right puts them into `alarm_inbox` again and takes them away here.
CREATE TABLE hubwatch.alarm_refused (
    detection text NOT NULL,
    ended boolean NOT NULL,
    hub text NOT NULL,
    refused timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL,
    PRIMARY KEY (detection, ended)
);
