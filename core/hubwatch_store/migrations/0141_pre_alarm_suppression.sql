-- What is expected before there is an alarm: planned works, what is out of service, and zones in maintenance (which rules
-- of the hub's table refer to). A row is ended by its time or by a person (`lifted`), and never changed otherwise.
CREATE TABLE hubwatch.alarm_suppression (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('works', 'out_of_service', 'maintenance')),
    hub text NOT NULL,
    -- Each empty one means every zone, sensor or type. A type stands for its family, too.
    zone text,
    sensor text,
    types text[] NOT NULL DEFAULT '{}',
    starts timestamptz NOT NULL,
    ends timestamptz NOT NULL,
    -- Whether alarms of priority 1 are expected, too.
    critical boolean NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp(),
    by text NOT NULL CHECK (by <> ''),
    verified boolean NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    agreed_by text CHECK (agreed_by <> by),
    lifted timestamptz,
    lifted_by text,
    CHECK (ends > starts),
    CHECK (NOT critical OR agreed_by IS NOT NULL),
    CHECK ((lifted IS NULL) = (lifted_by IS NULL))
);
CREATE INDEX alarm_suppression_open ON hubwatch.alarm_suppression (ends) WHERE lifted IS NULL;

-- Everything that nobody is told of now: alarms that are set aside, and what is expected, in force or to come.
CREATE VIEW hubwatch.suppressed AS
SELECT a.hub, 'alarm' AS what, a.id, a.state AS kind, a.zone, a.sensor, ARRAY[a.type] AS types, a.priority,
    j.at AS since, a.shelved_until AS until, j.by, j.note AS reason, NULL::text AS agreed_by
FROM hubwatch.alarms a
LEFT JOIN LATERAL (SELECT n.at, n.by, n.note FROM hubwatch.alarm_journal n
    WHERE n.alarm = a.id AND n.to_state = a.state AND n.from_state IS DISTINCT FROM n.to_state
    ORDER BY n.id DESC LIMIT 1) j ON true
WHERE a.state IN ('shelved', 'suppressed', 'out_of_service')
UNION ALL
SELECT s.hub, 'expected', s.id, s.kind, s.zone, s.sensor, s.types, CASE WHEN s.critical THEN 1 ELSE 2 END,
    s.starts, s.ends, s.by, s.reason, s.agreed_by
FROM hubwatch.alarm_suppression s WHERE s.lifted IS NULL AND s.ends > clock_timestamp();

-- How many alarms were set aside lately is asked for again and again.
CREATE INDEX alarm_journal_shelved ON hubwatch.alarm_journal (at) WHERE action = 'shelved';
CREATE INDEX alarm_suppression_made ON hubwatch.alarm_suppression (made);
