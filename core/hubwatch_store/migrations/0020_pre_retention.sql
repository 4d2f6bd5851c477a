-- How long what is kept, what may not be deleted whatever the rules say, and a journal of what was deleted.

-- Days; NULL is for ever. Kind 'unknown' stands for sensors that no birth has named a kind for.
CREATE TABLE hubwatch.retention_rule (
    kind text PRIMARY KEY,
    raw_days integer CHECK (raw_days > 0),
    minute_days integer CHECK (minute_days > 0),
    hour_days integer CHECK (hour_days > 0),
    event_days integer CHECK (event_days > 0),
    why text NOT NULL,
    changed timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Aggregates outlive what they were made from.
    CHECK (minute_days IS NULL OR (raw_days IS NOT NULL AND minute_days >= raw_days)),
    CHECK (hour_days IS NULL OR (minute_days IS NOT NULL AND hour_days >= minute_days))
);
INSERT INTO hubwatch.retention_rule (kind, raw_days, minute_days, hour_days, event_days, why) VALUES
    ('radiation_portal', 400, 1826, NULL, 1826,
     'thresholds are tested against a year of background; finds are customs records (five years, 19 CFR 163.4)'),
    ('radiation_area', 400, 1826, NULL, 1826,
     'background moves with the seasons; dose records are asked for years later'),
    ('screening', 400, 1826, NULL, 1826, 'results of inspections are customs records (five years, 19 CFR 163.4)'),
    ('chemical', 400, 1826, NULL, 1826, 'exposure of people is asked for years later'),
    ('access', 90, 365, 365, 365, 'events name people: a year of habits for detectors and inquiries, no longer'),
    ('perimeter', 90, 365, 1826, 730, 'intrusions are looked into within weeks, weather patterns over two winters'),
    ('power', 90, 400, 1826, 1826, 'outages explain what other sensors missed, so as long as their events'),
    ('process', 90, 400, 1826, 1826, 'a year shows every season; events explain what other sensors missed'),
    ('environment', 60, 400, NULL, 400, 'weather explains background, for which minutes are enough'),
    ('unknown', 400, 1826, NULL, 1826, 'as long as the longest, until a birth says what it is');

-- What was measured around a detection is kept longer than the rest, as its evidence.
CREATE TABLE hubwatch.retention_evidence (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    before interval NOT NULL CHECK (before BETWEEN INTERVAL '0' AND INTERVAL '1 day'),
    after interval NOT NULL CHECK (after BETWEEN INTERVAL '0' AND INTERVAL '1 day'),
    days integer CHECK (days > 0)
);
INSERT INTO hubwatch.retention_evidence (before, after, days) VALUES (INTERVAL '15 minutes', INTERVAL '15 minutes', 1826);

-- Holds and their releases are both rows that are never changed or deleted.
CREATE TABLE hubwatch.legal_hold (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub text NOT NULL,
    sensor text,
    held_from timestamptz NOT NULL,
    held_to timestamptz NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    by text NOT NULL CHECK (by <> ''),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (held_from < held_to)
);
CREATE TABLE hubwatch.legal_hold_release (
    hold bigint PRIMARY KEY REFERENCES hubwatch.legal_hold (id),
    reason text NOT NULL CHECK (reason <> ''),
    by text NOT NULL CHECK (by <> ''),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TRIGGER legal_hold_immutable BEFORE UPDATE OR DELETE ON hubwatch.legal_hold
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();
CREATE TRIGGER legal_hold_release_immutable BEFORE UPDATE OR DELETE ON hubwatch.legal_hold_release
    FOR EACH ROW EXECUTE FUNCTION hubwatch.refuse_change();
CREATE TRIGGER legal_hold_no_truncate BEFORE TRUNCATE ON hubwatch.legal_hold
    FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.refuse_change();
CREATE TRIGGER legal_hold_release_no_truncate BEFORE TRUNCATE ON hubwatch.legal_hold_release
    FOR EACH STATEMENT EXECUTE FUNCTION hubwatch.refuse_change();

CREATE VIEW hubwatch.legal_holds AS
SELECT h.id, h.hub, h.sensor, h.held_from, h.held_to, h.reason, h.by, h.at,
    r.at AS released, r.by AS released_by, r.reason AS release_reason
FROM hubwatch.legal_hold h LEFT JOIN hubwatch.legal_hold_release r ON r.hold = h.id;

-- What may not be deleted now, whatever the rules say: from `kept_from` to `kept_to`, both included.
CREATE VIEW hubwatch.kept_ranges AS
SELECT s.id AS sensor_id, h.held_from AS kept_from, h.held_to AS kept_to, 'hold ' || h.id AS why
FROM hubwatch.legal_holds h
JOIN hubwatch.sensors s ON s.hub = h.hub AND (h.sensor IS NULL OR s.sensor = h.sensor)
WHERE h.released IS NULL
UNION ALL
SELECT s.id, d.start - e.before,
    -- A condition that has not ended is evidence in the making.
    coalesce(d."end" + e.after, '9999-12-30 00:00+00'), 'detection ' || d.id
FROM hubwatch.detections d
JOIN hubwatch.sensors s ON s.hub = d.hub AND s.sensor = d.sensor
CROSS JOIN hubwatch.retention_evidence e
WHERE e.days IS NULL OR d.start > clock_timestamp() - e.days * INTERVAL '1 day';

-- What maintenance did; `detail` has counts by layer and kind.
CREATE TABLE hubwatch.maintenance_journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    began timestamptz NOT NULL,
    ended timestamptz NOT NULL DEFAULT clock_timestamp(),
    what text NOT NULL,
    complete boolean NOT NULL,
    detail jsonb NOT NULL
);
CREATE INDEX maintenance_journal_what ON hubwatch.maintenance_journal (what, ended DESC);

-- The pieces a table is stored in, by time; one without end for a table that is in one piece.
DO $do$
BEGIN
    IF hubwatch.has_timescaledb() THEN
        CREATE FUNCTION hubwatch.pieces(parent text)
        RETURNS TABLE (piece text, first timestamptz, beyond timestamptz) LANGUAGE sql STABLE AS $f$
            SELECT format('%I.%I', c.chunk_schema, c.chunk_name), c.range_start, c.range_end
            FROM timescaledb_information.chunks c
            LEFT JOIN timescaledb_information.continuous_aggregates a
                ON (a.materialization_hypertable_schema, a.materialization_hypertable_name)
                    = (c.hypertable_schema, c.hypertable_name)
            WHERE (coalesce(a.view_schema, c.hypertable_schema), coalesce(a.view_name, c.hypertable_name))
                = ('hubwatch', parent)
            ORDER BY c.range_start
        $f$;
    ELSE
        CREATE FUNCTION hubwatch.pieces(parent text)
        RETURNS TABLE (piece text, first timestamptz, beyond timestamptz) LANGUAGE sql STABLE AS $f$
            SELECT i.inhrelid::regclass::text, b.ends[1]::timestamptz, b.ends[2]::timestamptz
            FROM pg_inherits i
            JOIN pg_class c ON c.oid = i.inhrelid
            CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid),
                $$FROM \('([^']+)'\) TO \('([^']+)'\)$$) AS b (ends)
            WHERE i.inhparent = to_regclass('hubwatch.' || quote_ident(parent)) AND b.ends IS NOT NULL
            UNION ALL
            -- Not infinities: a client's dates end somewhere.
            SELECT format('hubwatch.%I', parent), '0001-01-02 00:00+00', '9999-12-30 00:00+00'
            FROM pg_class c WHERE c.oid = to_regclass('hubwatch.' || quote_ident(parent)) AND c.relkind = 'r'
            ORDER BY 2
        $f$;
    END IF;
END $do$;

-- Takes a piece away with all that is in it; the caller has made sure that nothing in it is to be kept.
DO $do$
BEGIN
    IF hubwatch.has_timescaledb() THEN
        CREATE FUNCTION hubwatch.drop_piece(parent text, piece text, first timestamptz, beyond timestamptz)
        RETURNS void LANGUAGE plpgsql AS $f$
        BEGIN
            PERFORM drop_chunks(format('hubwatch.%I', parent)::regclass, older_than => beyond, newer_than => first);
        END $f$;
    ELSE
        CREATE FUNCTION hubwatch.drop_piece(parent text, piece text, first timestamptz, beyond timestamptz)
        RETURNS void LANGUAGE plpgsql AS $f$
        BEGIN
            EXECUTE format('DROP TABLE %s', piece::regclass);
        END $f$;
    END IF;
END $do$;
