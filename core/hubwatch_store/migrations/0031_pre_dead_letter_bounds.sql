-- Dead letters are bounded; that a frame was one is remembered when its letter goes.

-- Change the row to change the bounds.
CREATE TABLE hubwatch.dead_letter_bounds (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    keep interval NOT NULL CHECK (keep > INTERVAL '0'),
    most_letters bigint NOT NULL CHECK (most_letters > 0),
    most_bytes bigint NOT NULL CHECK (most_bytes > 0)
);
-- A poison message a second, each another, fills 100 000 in 28 hours; 1 GiB is 4 096 of the largest frames.
INSERT INTO hubwatch.dead_letter_bounds (keep, most_letters, most_bytes)
VALUES (INTERVAL '90 days', 100000, 1073741824);

CREATE TABLE hubwatch.dead_frame (
    epoch_id integer NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (epoch_id, seq)
);

CREATE OR REPLACE VIEW hubwatch.ledger_spans AS
WITH stored AS (
    SELECT epoch_id, int8range(first_seq, last_seq, '[]') AS span FROM hubwatch.frame_range
    UNION ALL
    SELECT epoch_id, int8range(min(seq), max(seq), '[]')
    FROM (SELECT epoch_id, seq, seq - row_number() OVER (PARTITION BY epoch_id ORDER BY seq) AS island
          FROM hubwatch.frame) f
    GROUP BY epoch_id, island
), committed AS (
    SELECT epoch_id, range_agg(span) AS spans FROM stored GROUP BY epoch_id
), dead AS (
    SELECT epoch_id, range_agg(int8range(seq, seq, '[]')) AS spans
    FROM (SELECT e.id AS epoch_id, d.seq FROM hubwatch.dead_letters d JOIN hubwatch.epoch e USING (hub, agent, epoch)
          WHERE d.seq IS NOT NULL
          UNION ALL SELECT epoch_id, seq FROM hubwatch.dead_frame) d
    GROUP BY epoch_id
), evicted AS (
    SELECT epoch_id, range_agg(int8range(first_seq, last_seq, '[]')) AS spans
    FROM hubwatch.eviction GROUP BY epoch_id
), raw AS (
    SELECT e.id AS epoch_id, e.hub, e.agent, e.epoch, coalesce(c.spans, '{}') AS committed,
        coalesce(d.spans, '{}') AS dead, coalesce(v.spans, '{}') AS evicted
    FROM hubwatch.epoch e
    LEFT JOIN committed c ON c.epoch_id = e.id
    LEFT JOIN dead d ON d.epoch_id = e.id
    LEFT JOIN evicted v ON v.epoch_id = e.id
)
SELECT epoch_id, hub, agent, epoch, committed, dead - committed AS dead_lettered,
    evicted - dead - committed AS evicted,
    coalesce(upper(committed + dead + evicted) - 1, 0) AS published,
    int8multirange(int8range(1, greatest(upper(committed + dead + evicted), 1))) - committed - dead - evicted AS missing
FROM raw;
