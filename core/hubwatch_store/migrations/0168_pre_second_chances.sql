-- Dead letters that somebody wants tried again. Who asks has no right to store: a collector does it, and says what came of
-- it. `replay_failed` is why it is still dead.
ALTER TABLE hubwatch.dead_letters
    ADD replay_asked timestamptz,
    ADD replay_asked_by text,
    ADD replay_failed text;
CREATE INDEX dead_letters_asked ON hubwatch.dead_letters (replay_asked) WHERE replay_asked IS NOT NULL;
