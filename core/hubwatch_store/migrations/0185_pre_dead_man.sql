-- What came of the last beat of the dead man, and when one was last taken outside: one row, none where no dead man is set.
CREATE TABLE hubwatch.dead_man (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    at timestamptz NOT NULL,
    every_s double precision NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('taken', 'failed', 'held_back')),
    reason text,
    taken timestamptz
);
