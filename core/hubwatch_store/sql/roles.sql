-- Applied by `hubwatch db roles`, as a whole or not at all; can be run again. `@name` stands for the role PREFIX_name, and
-- `@reader_name` for the login of a reader.

-- roles: the roles of programs, people and readers; those that log in have no password until they are given one
DO $$
DECLARE
    each record;
BEGIN
    FOR each IN SELECT * FROM (VALUES
        -- name, logs in, connections, longest statement
        ('@owner', false, -1, NULL), ('@views', false, -1, NULL), ('@all', false, -1, NULL), ('@reader', false, -1, NULL),
        ('@limits', false, -1, NULL),
        ('@collector', true, 20, '60s'), ('@detectors', true, 20, '60s'), ('@alarms', true, 20, '60s'),
        ('@console', true, 40, '30s'), ('@operator', true, 20, '10min'), ('@maintenance', true, 5, NULL),
        ('@backup', true, 3, NULL), ('@enrol', true, 10, '60s'), ('@up', true, 40, '60s')
    ) r (name, logs_in, connections, longest)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = each.name) THEN
            EXECUTE format('CREATE ROLE %I', each.name);
        END IF;
        EXECUTE format('ALTER ROLE %I %s CONNECTION LIMIT %s', each.name,
            CASE WHEN each.logs_in THEN 'LOGIN' ELSE 'NOLOGIN' END, each.connections);
        IF each.longest IS NOT NULL THEN
            EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', each.name, each.longest);
        END IF;
        IF each.logs_in THEN
            EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = %L', each.name, '60s');
        END IF;
    END LOOP;
END $$;
GRANT @views, @limits TO @owner;
-- One process for a whole hub (`hubwatch up`), and a collector, that also does the upkeep.
GRANT @collector, @detectors, @alarms, @maintenance, @enrol TO @up;
GRANT @maintenance TO @collector;

-- owner: everything of ours belongs to roles that nobody logs in as: tables to one, views to one that is held to its hubs
DO $$
DECLARE
    each record;
BEGIN
    EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO @owner', current_database());
    ALTER SCHEMA hubwatch OWNER TO @owner;
    GRANT CREATE, USAGE ON SCHEMA hubwatch TO @views;
    -- A continuous aggregate is a view to PostgreSQL, and TimescaleDB changes all of it by this name only.
    FOR each IN SELECT c.relname, CASE WHEN c.relkind = 'v' AND c.relname IN ('reading_1m', 'reading_1h')
            THEN 'MATERIALIZED VIEW' WHEN c.relkind = 'v' THEN 'VIEW' WHEN c.relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE'
            END AS kind
        FROM pg_class c
        WHERE c.relnamespace = 'hubwatch'::regnamespace AND c.relkind IN ('r', 'p', 'v')
            OR c.relnamespace = 'hubwatch'::regnamespace AND c.relkind = 'S'
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i'))
        ORDER BY c.relkind
    LOOP
        EXECUTE format('ALTER %s hubwatch.%I OWNER TO %I', each.kind, each.relname,
            CASE WHEN each.kind = 'VIEW' THEN '@views' ELSE '@owner' END);
    END LOOP;
    FOR each IN SELECT p.oid::regprocedure AS name FROM pg_proc p WHERE p.pronamespace = 'hubwatch'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO @owner', each.name);
    END LOOP;
    REVOKE CREATE ON SCHEMA hubwatch FROM @views;
    GRANT CREATE, USAGE ON SCHEMA hubwatch TO @limits;
    ALTER FUNCTION hubwatch.end_long_sessions() OWNER TO @limits;
    REVOKE CREATE ON SCHEMA hubwatch FROM @limits;
END $$;

-- shut: what PUBLIC may do nowhere in this database: lock by number, keep large objects, notify by function, make tables
DO $$
DECLARE
    each record;
BEGIN
    FOR each IN SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
            AND (p.proname ~ '^pg_(try_)?advisory_' OR p.proname ~ '^lo_' OR p.proname IN ('loread', 'lowrite', 'pg_notify'))
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', each.name);
        IF each.name::text ~ 'advisory' THEN
            -- Locks that programs need are functions of the owner: see `granted`.
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM @collector, @detectors, @alarms, @console, @operator,'
                ' @maintenance, @backup, @enrol', each.name);
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO @owner', each.name);
        ELSIF each.name::text ~ 'pg_notify' THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO @owner, @collector, @detectors, @alarms, @console, @operator,'
                ' @maintenance, @backup', each.name);
        END IF;
    END LOOP;
    EXECUTE format('REVOKE TEMPORARY, CONNECT ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO @reader, @collector, @detectors, @alarms, @console, @operator,'
        ' @maintenance, @backup, @enrol, @up', current_database());
    -- Lists of cardholders are compared with what is there in a table of the session.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO @operator, @console', current_database());
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    REVOKE ALL ON ALL TABLES IN SCHEMA hubwatch FROM PUBLIC;
    REVOKE EXECUTE ON FUNCTION hubwatch.late_before(), hubwatch.identities_known(), hubwatch.identities_lock(),
        hubwatch.may_say_until(text, text, text),
        hubwatch.tell_intake(text, text, text, text, bigint, text, text, smallint, text, jsonb)
    FROM PUBLIC;
END $$;

-- withdrawn: what an earlier version of this file granted is gone before it is said anew, also on partitions and chunks
REVOKE ALL ON ALL TABLES IN SCHEMA hubwatch FROM @all, @reader, @collector, @detectors, @alarms, @console, @operator,
    @maintenance, @backup, @enrol, @up;
REVOKE ALL ON hubwatch.reading, hubwatch.event, hubwatch.reading_1m, hubwatch.reading_1h FROM @all, @reader, @collector,
    @detectors, @alarms, @console, @operator, @maintenance, @backup, @enrol, @up;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA hubwatch FROM @all, @reader, @collector, @detectors, @alarms, @console, @operator,
    @maintenance, @backup, @enrol, @up;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA hubwatch FROM @all, @reader, @collector, @detectors, @alarms, @console, @operator,
    @maintenance, @backup, @enrol, @up;

-- granted: what each role may do, table by table; what is not said here, nobody may
GRANT USAGE ON SCHEMA hubwatch TO @views, @reader, @collector, @detectors, @alarms, @console, @operator, @maintenance,
    @backup, @enrol;
GRANT SELECT ON hubwatch.reading, hubwatch.event, hubwatch.reading_1m, hubwatch.reading_1h, hubwatch.latest_value,
    hubwatch.rollup_state, hubwatch.hubs, hubwatch.agents, hubwatch.sensors, hubwatch.channels, hubwatch.sensor_former,
    hubwatch.detection, hubwatch.detection_ends, hubwatch.retention_evidence, hubwatch.legal_hold,
    hubwatch.legal_hold_release, hubwatch.alarms, hubwatch.alarm_journal, hubwatch.alarm_detection,
    hubwatch.alarm_suppression, hubwatch.adjudications, hubwatch.drills, hubwatch.incidents, hubwatch.incident_journal,
    hubwatch.level_journal, hubwatch.notifications, hubwatch.notification_outbox, hubwatch.power_feeds, hubwatch.epoch,
    hubwatch.frame, hubwatch.frame_range, hubwatch.ledger_commit, hubwatch.ledger_grace, hubwatch.eviction,
    hubwatch.dead_letters, hubwatch.dead_frame
TO @views;

-- Locks: whoever may take one can hold up those who wait for it, and nobody else.
GRANT EXECUTE ON FUNCTION hubwatch.lock_alarms() TO @alarms, @console, @operator;
GRANT EXECUTE ON FUNCTION hubwatch.lock_process_owner() TO @collector, @detectors, @alarms;
GRANT EXECUTE ON FUNCTION hubwatch.lock_legal_hold() TO @maintenance, @console, @operator;
GRANT EXECUTE ON FUNCTION hubwatch.try_lock_maintenance(), hubwatch.lock_folding(integer), hubwatch.lock_late_before()
TO @maintenance;
GRANT EXECUTE ON FUNCTION hubwatch.lock_storing(integer[]), hubwatch.late_before(), hubwatch.identities_known(),
    hubwatch.lock_refused_epochs()
TO @collector;
GRANT EXECUTE ON FUNCTION hubwatch.identities_lock() TO @collector, @operator, @console;
GRANT EXECUTE ON FUNCTION hubwatch.lock_site() TO @operator, @console;
GRANT EXECUTE ON FUNCTION hubwatch.lock_cardholders() TO @operator, @console;
GRANT EXECUTE ON FUNCTION hubwatch.hold_schema() TO @backup;

-- Readers: the public names, never what is beneath, and no payload of a message that could not be decoded.
GRANT SELECT ON
    hubwatch.hubs, hubwatch.zones, hubwatch.agents, hubwatch.sensors, hubwatch.channels,
    hubwatch.readings, hubwatch.readings_1m, hubwatch.readings_1h, hubwatch.latest, hubwatch.events,
    hubwatch.detections, hubwatch.alarms, hubwatch.alarm_telling, hubwatch.alarm_journal, hubwatch.incidents,
    hubwatch.notifications, hubwatch.frames, hubwatch.ledger_gaps, hubwatch.site_versions, hubwatch.zone_paths,
    hubwatch.doors, hubwatch.fence_sections, hubwatch.fence_behind, hubwatch.lanes, hubwatch.lane_steps,
    hubwatch.sensor_places, hubwatch.power_feeds, hubwatch.cameras, hubwatch.zone_travel, hubwatch.shifts,
    hubwatch.cardholders,
    hubwatch.level_journal, hubwatch.level_scales, hubwatch.adjudications, hubwatch.judged_alarms, hubwatch.watched_days,
    hubwatch.false_alarms, hubwatch.alarm_suppression, hubwatch.suppressed, hubwatch.alarm_presented, hubwatch.alarm_rate,
    hubwatch.alarm_ten_minutes, hubwatch.alarm_chattering, hubwatch.alarm_figures, hubwatch.alarm_causes,
    hubwatch.alarm_floods, hubwatch.incident_journal, hubwatch.incident_timeline, hubwatch.drills, hubwatch.drill_alarms,
    hubwatch.drill_told, hubwatch.board_places, hubwatch.board_channels
TO @reader, @collector, @detectors, @alarms, @console, @operator, @maintenance;
GRANT SELECT (id, topic, reason, hub, agent, first_seen, last_seen, count) ON hubwatch.dead_letters TO @reader;

-- What programs and people at the console know beyond that.
GRANT SELECT ON hubwatch.migrations, hubwatch.process_owner, hubwatch.epoch, hubwatch.listing, hubwatch.sensor_owner,
    hubwatch.sensor_former, hubwatch.device_journal, hubwatch.latest_value, hubwatch.detection, hubwatch.detection_ends,
    hubwatch.rollup_state, hubwatch.legal_holds, hubwatch.legal_hold, hubwatch.legal_hold_release, hubwatch.frame_ranges,
    hubwatch.ledger_account, hubwatch.ledger_spans, hubwatch.alarm_closing, hubwatch.alarm_detection,
    hubwatch.alarm_delayed, hubwatch.notification_outbox, hubwatch.cardholder_imports
TO @collector, @detectors, @alarms, @console, @operator, @maintenance;
GRANT INSERT, UPDATE, DELETE ON hubwatch.process_owner TO @collector, @detectors, @alarms;
GRANT EXECUTE ON FUNCTION hubwatch.journal(text, boolean, text, text, text, jsonb)
TO @collector, @detectors, @alarms, @console, @operator, @maintenance;

-- Collector: what agents say.
GRANT SELECT, INSERT ON hubwatch.reading, hubwatch.event TO @collector;
GRANT SELECT, INSERT, UPDATE ON hubwatch.agents, hubwatch.channels, hubwatch.zones, hubwatch.epoch, hubwatch.ledger_commit,
    hubwatch.latest_value, hubwatch.dead_letters, hubwatch.sensor_former
TO @collector;
GRANT SELECT, INSERT, UPDATE, DELETE ON hubwatch.sensors, hubwatch.listing, hubwatch.sensor_owner TO @collector;
GRANT SELECT, INSERT ON hubwatch.frame, hubwatch.eviction, hubwatch.dead_frame, hubwatch.device_journal,
    hubwatch.rollup_late
TO @collector;
GRANT INSERT (hub, name, mode) ON hubwatch.hubs TO @collector;
GRANT DELETE ON hubwatch.dead_letters TO @collector;
GRANT USAGE, SELECT ON SEQUENCE hubwatch.identity_generation TO @collector, @operator, @console;
GRANT EXECUTE ON FUNCTION hubwatch.ensure_partitions(text, timestamptz[]) TO @collector, @maintenance;

-- What is believed of what agents say, and what was refused. The checks of a collector and of detectors are the same.
GRANT SELECT ON hubwatch.agent_keys TO @collector, @detectors;
GRANT SELECT ON hubwatch.sensor_grant TO @collector, @detectors;
GRANT EXECUTE ON FUNCTION hubwatch.may_say_until(text, text, text) TO @collector, @detectors;
GRANT SELECT, INSERT, UPDATE ON hubwatch.intake_finding TO @collector;
GRANT INSERT ON hubwatch.detection TO @collector;
GRANT EXECUTE ON FUNCTION hubwatch.tell_intake(text, text, text, text, bigint, text, text, smallint, text, jsonb) TO @collector;
GRANT SELECT, INSERT, DELETE ON hubwatch.sensor_claim TO @collector;
-- An agent that is gone for good has no sensors.
GRANT DELETE ON hubwatch.sensor_grant TO @collector;
GRANT INSERT ON hubwatch.signed_frame, hubwatch.recent_frames TO @collector;

-- Detectors: what they find, and what they remember.
GRANT SELECT, INSERT, UPDATE, DELETE ON hubwatch.detector_state, hubwatch.detector_journal TO @detectors;
GRANT INSERT ON hubwatch.detection, hubwatch.detection_ends TO @detectors;
-- What was stored and did not come from the broker.
GRANT SELECT ON hubwatch.frame, hubwatch.frame_range, hubwatch.ledger_commit, hubwatch.recent_frames TO @detectors;

-- Alarms, and people who handle them.
GRANT INSERT ON hubwatch.alarm_journal, hubwatch.alarm_unrouted TO @alarms, @console, @operator;
GRANT SELECT ON hubwatch.alarm_unrouted, hubwatch.alarm_inbox TO @alarms, @console, @operator;
GRANT UPDATE ON hubwatch.alarms, hubwatch.incidents TO @alarms, @console, @operator;
GRANT INSERT ON hubwatch.alarm_closing TO @collector, @alarms, @console, @operator;
GRANT INSERT ON hubwatch.adjudications TO @console, @operator;
GRANT INSERT ON hubwatch.incident_journal TO @alarms, @console, @operator;
-- What a shift leaves to the next, and how far detectors are behind, which it says.
GRANT SELECT, INSERT, UPDATE ON hubwatch.handovers TO @console, @operator;
GRANT SELECT (hub, saved) ON hubwatch.detector_journal, hubwatch.detector_state TO @console, @operator;
-- An alarm that is there is changed by the statement that makes one.
GRANT INSERT ON hubwatch.alarms, hubwatch.incidents TO @alarms, @console, @operator;
GRANT INSERT, UPDATE ON hubwatch.alarm_detection TO @alarms, @console, @operator;
GRANT INSERT, UPDATE ON hubwatch.notification_outbox, hubwatch.notifications TO @alarms;
GRANT SELECT, INSERT, UPDATE, DELETE ON hubwatch.alarm_escalation TO @alarms;
GRANT UPDATE (answered) ON hubwatch.notification_outbox TO @console;
-- What waits before it makes an alarm, what is expected, and what alarms find themselves: bursts and routes that fail.
GRANT INSERT, UPDATE ON hubwatch.alarm_delayed TO @alarms;
GRANT INSERT ON hubwatch.alarm_inbox, hubwatch.detection, hubwatch.detection_ends TO @alarms;
GRANT SELECT, INSERT, DELETE ON hubwatch.route_failures TO @alarms;
GRANT SELECT, INSERT, UPDATE, DELETE ON hubwatch.dead_man TO @alarms;
GRANT SELECT ON hubwatch.dead_man TO @console, @operator;
GRANT INSERT ON hubwatch.alarm_suppression TO @alarms, @console, @operator;
GRANT UPDATE (lifted, lifted_by) ON hubwatch.alarm_suppression TO @alarms, @console, @operator;
-- Exercises: people begin and end them, alarms carry them out. Whoever makes a detection looks whether it is of one.
GRANT INSERT ON hubwatch.drills, hubwatch.drill_steps TO @console, @operator;
GRANT UPDATE (ended, ended_by) ON hubwatch.drills TO @alarms, @console, @operator;
GRANT UPDATE (sent, over) ON hubwatch.drill_steps TO @alarms;
GRANT SELECT ON hubwatch.drill_steps TO @collector, @detectors, @alarms, @console, @operator, @maintenance;
-- Findings of which no alarm could be made are put back by operators.
GRANT SELECT, INSERT, UPDATE ON hubwatch.alarm_refused TO @alarms;
GRANT SELECT, DELETE ON hubwatch.alarm_refused TO @operator;
GRANT INSERT ON hubwatch.alarm_inbox TO @operator;
-- A row that is taken FOR UPDATE asks for that right.
GRANT UPDATE ON hubwatch.alarm_unrouted, hubwatch.alarm_inbox TO @alarms;
GRANT DELETE ON hubwatch.alarm_inbox, hubwatch.alarm_unrouted, hubwatch.alarm_closing TO @alarms;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA hubwatch TO @alarms;
GRANT INSERT ON hubwatch.level_journal TO @alarms, @console, @operator;
-- What people have ticked on the checklist of a level; it names them and is shown by the console.
GRANT SELECT, INSERT ON hubwatch.checklist_journal TO @console;
GRANT UPDATE (security_level) ON hubwatch.hubs TO @alarms, @console, @operator;

-- Console: who people are and what they may do. No other program reads what shows who somebody is. Nobody is deleted.
GRANT SELECT, INSERT, UPDATE ON hubwatch.users, hubwatch.user_secrets, hubwatch.approvals TO @console;
GRANT SELECT, INSERT, UPDATE, DELETE ON hubwatch.user_grants, hubwatch.user_sessions, hubwatch.login_failures,
    hubwatch.oidc_logins
TO @console;
GRANT SELECT, INSERT, UPDATE (status, answer), DELETE ON hubwatch.acts_once TO @console;
GRANT INSERT ON hubwatch.legal_hold, hubwatch.legal_hold_release TO @console;
-- A handover says what waits for a second person.
GRANT SELECT (id, hub, act, subject, reason, asked_by, asked, expires, decision) ON hubwatch.approvals TO @operator;
-- Commands ask whether there is a directory: then nobody acts by a name alone.
GRANT SELECT ON hubwatch.users TO @operator;
GRANT SELECT (id) ON hubwatch.users TO @alarms;

-- Enrolment gives certificates to who has leave, and gives no leave. Operators have its commands; `hubwatch up` is a whole
-- hub. People at the console give leave, ask for new keys and revoke; they make no key.
GRANT SELECT ON hubwatch.migrations TO @enrol;
GRANT SELECT, INSERT (hub, agent, not_before, not_after, public_key, serial, certificate), UPDATE (renewal_asked_at)
ON hubwatch.agent_keys TO @enrol;
GRANT SELECT, UPDATE (used_at, used_from, serial) ON hubwatch.enrolment_tokens TO @enrol;
GRANT EXECUTE ON FUNCTION hubwatch.journal(text, boolean, text, text, text, jsonb) TO @enrol;
GRANT SELECT, INSERT, UPDATE ON hubwatch.agent_keys, hubwatch.enrolment_tokens TO @up, @operator;
GRANT SELECT, INSERT, UPDATE (void_at) ON hubwatch.enrolment_tokens TO @console;
GRANT SELECT, UPDATE (revoked_at, revoked_by, reason, renewal_asked_at) ON hubwatch.agent_keys TO @console;

-- The site and devices, by operators at a terminal, and by people who are logged in at the console.
GRANT INSERT, UPDATE, DELETE ON hubwatch.zones, hubwatch.zone_paths, hubwatch.doors, hubwatch.fence_sections,
    hubwatch.fence_behind, hubwatch.lanes, hubwatch.lane_steps, hubwatch.sensor_places, hubwatch.power_feeds,
    hubwatch.cameras, hubwatch.zone_travel, hubwatch.shifts, hubwatch.listing, hubwatch.sensors, hubwatch.sensor_owner
TO @operator, @console;
GRANT INSERT ON hubwatch.site_versions, hubwatch.device_journal TO @operator, @console;
GRANT INSERT (hub, name, mode), UPDATE (name, mode) ON hubwatch.hubs TO @operator, @console;
GRANT INSERT, UPDATE ON hubwatch.agents, hubwatch.channels, hubwatch.sensor_former TO @operator, @console;
-- Renaming a sensor needs this. What happened, when and who it was nobody here can change.
GRANT SELECT, UPDATE (sensor_id) ON hubwatch.event TO @operator, @console;

-- Who has a badge, rules, and what could not be decoded. The console puts names in and reads none; it asks that a dead
-- letter be tried again, and stores nothing itself.
GRANT INSERT, UPDATE, DELETE ON hubwatch.cardholders TO @operator, @console;
GRANT SELECT, INSERT, UPDATE, DELETE ON hubwatch.cardholder_names TO @operator;
GRANT SELECT (hub, subject), INSERT, DELETE ON hubwatch.cardholder_names TO @console;
GRANT INSERT ON hubwatch.cardholder_imports, hubwatch.legal_hold, hubwatch.legal_hold_release TO @operator, @console;
GRANT SELECT, UPDATE (replay_asked, replay_asked_by, replay_failed) ON hubwatch.dead_letters TO @console;
GRANT SELECT, INSERT, UPDATE, DELETE ON hubwatch.dead_letters TO @operator;
GRANT SELECT ON hubwatch.reading, hubwatch.audit, hubwatch.audit_head, hubwatch.audit_signatures, hubwatch.retention_rule,
    hubwatch.retention_evidence, hubwatch.maintenance_journal, hubwatch.deletion_state, hubwatch.rollup_late,
    hubwatch.rollup_redo, hubwatch.kept_ranges, hubwatch.reading_1m, hubwatch.reading_1h
TO @operator, @console;
GRANT INSERT, UPDATE ON hubwatch.retention_rule, hubwatch.retention_evidence TO @operator, @console;
GRANT INSERT ON hubwatch.audit_signatures TO @operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON hubwatch.sensor_grant TO @operator, @console;
GRANT SELECT, DELETE ON hubwatch.sensor_claim TO @operator, @console;
GRANT SELECT ON hubwatch.intake_finding, hubwatch.signed_frame, hubwatch.signed_frame_bounds TO @operator;

-- Taking persons out of what was found, each time with a record: by an operator's order, or when it is old.
-- An order begins a record, and the function does the rest under it.
GRANT SELECT, INSERT ON hubwatch.privacy_erasures TO @operator, @console, @maintenance;
GRANT EXECUTE ON FUNCTION hubwatch.forget_person(text, bigint) TO @operator, @console;
GRANT UPDATE (counts) ON hubwatch.privacy_erasures TO @maintenance;
GRANT SELECT ON hubwatch.retention_person TO @operator, @console, @maintenance;
GRANT UPDATE (days) ON hubwatch.retention_person TO @operator, @console;
GRANT UPDATE (subject, why, evidence) ON hubwatch.detection TO @maintenance;
GRANT UPDATE (subject, why) ON hubwatch.alarms TO @maintenance;

-- Maintenance: aggregates, folding, deleting by the rules, and what it finds on the way.
GRANT SELECT ON hubwatch.reading, hubwatch.event, hubwatch.frame, hubwatch.frame_range, hubwatch.ledger_commit,
    hubwatch.ledger_grace, hubwatch.eviction, hubwatch.dead_frame, hubwatch.dead_letters, hubwatch.dead_letter_bounds,
    hubwatch.deletion_state, hubwatch.retention_rule, hubwatch.retention_evidence, hubwatch.kept_ranges,
    hubwatch.maintenance_journal, hubwatch.rollup_late, hubwatch.rollup_redo, hubwatch.audit, hubwatch.audit_head,
    hubwatch.audit_signatures
TO @maintenance;
GRANT SELECT, INSERT, UPDATE, DELETE ON hubwatch.reading_1m, hubwatch.reading_1h, hubwatch.frame_range,
    hubwatch.rollup_late, hubwatch.rollup_redo
TO @maintenance;
GRANT DELETE ON hubwatch.reading, hubwatch.event, hubwatch.frame, hubwatch.ledger_commit, hubwatch.dead_letters
TO @maintenance;
GRANT UPDATE ON hubwatch.rollup_state, hubwatch.deletion_state TO @maintenance;
GRANT INSERT ON hubwatch.maintenance_journal, hubwatch.dead_frame, hubwatch.detection, hubwatch.detection_ends, hubwatch.audit_signatures
TO @maintenance;
GRANT EXECUTE ON FUNCTION hubwatch.drop_piece(text, text, timestamptz, timestamptz) TO @maintenance;
GRANT SELECT, DELETE ON hubwatch.intake_finding, hubwatch.signed_frame, hubwatch.recent_frames TO @maintenance;
GRANT SELECT ON hubwatch.signed_frame_bounds TO @maintenance;

-- Backup: everything is read, nothing is written.
GRANT SELECT ON ALL TABLES IN SCHEMA hubwatch TO @backup;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA hubwatch TO @backup;

-- isolated: rows of a hub are seen by the roles of that hub only; programs see all
INSERT INTO hubwatch.role_hubs (role, hub)
SELECT r, '*' FROM unnest(ARRAY['@all', '@collector', '@detectors', '@alarms', '@console', '@operator', '@maintenance',
    '@backup', '@enrol', '@up']) r
ON CONFLICT DO NOTHING;
DO $$
DECLARE
    each record;
    programs CONSTANT text := '@collector, @detectors, @alarms, @console, @operator, @maintenance, @backup, @enrol';
BEGIN
    FOR each IN
        SELECT c.relname, EXISTS (SELECT FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname = 'hub' AND NOT a.attisdropped) AS has_hub
        FROM pg_class c WHERE c.relnamespace = 'hubwatch'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
            AND (EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'hub')
                OR c.relname IN ('alarm_journal', 'adjudications', 'notifications', 'notification_outbox'))
            AND c.relname <> 'role_hubs'
    LOOP
        EXECUTE format('ALTER TABLE hubwatch.%I ENABLE ROW LEVEL SECURITY', each.relname);
        EXECUTE format('DROP POLICY IF EXISTS own_hubs ON hubwatch.%I', each.relname);
        EXECUTE format('DROP POLICY IF EXISTS programs ON hubwatch.%I', each.relname);
        -- The functions are asked once a query, not once a row.
        EXECUTE format('CREATE POLICY own_hubs ON hubwatch.%I FOR SELECT USING (%s)', each.relname,
            CASE WHEN each.has_hub
                THEN '(SELECT hubwatch.sees_all()) OR hub = ANY ((SELECT hubwatch.my_hubs())::text[])'
                ELSE 'alarm IN (SELECT a.id FROM hubwatch.alarms a)' END);
        EXECUTE format('CREATE POLICY programs ON hubwatch.%I TO %s USING (true) WITH CHECK (true)', each.relname,
            programs);
    END LOOP;
    -- A condition of a reader's own must not see rows before they are left out.
    FOR each IN SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
        WHERE c.relnamespace = 'hubwatch'::regnamespace AND c.relkind = 'v' AND r.rolname = '@views'
    LOOP
        EXECUTE format('ALTER VIEW hubwatch.%I SET (security_barrier = true)', each.relname);
    END LOOP;
    FOR each IN SELECT i.inhrelid::regclass AS child, a.privilege_type, r.rolname
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent CROSS JOIN LATERAL aclexplode(c.relacl) a
        JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.relnamespace = 'hubwatch'::regnamespace AND c.relkind = 'p' AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT %s ON %s TO %I', each.privilege_type, each.child, each.rolname);
    END LOOP;
END $$;

-- limited: how long statements and transactions of each login may take before maintenance ends the session; to end one of
-- a role, its owner has to be a member of it. A collector does the upkeep, whose statements may be long.
DELETE FROM hubwatch.role_limits WHERE role IN ('@collector', '@detectors', '@alarms', '@console', '@operator', '@enrol', '@up');
INSERT INTO hubwatch.role_limits (role, statement, transaction) VALUES
    ('@collector', '1 hour', '2 hours'), ('@up', '1 hour', '2 hours'), ('@detectors', '10 min', '20 min'),
    ('@alarms', '10 min', '20 min'), ('@console', '1 min', '10 min'), ('@operator', '10 min', '1 hour'),
    ('@enrol', '1 min', '10 min');
GRANT @collector, @up, @detectors, @alarms, @console, @operator, @enrol TO @limits;
GRANT SELECT ON hubwatch.role_limits TO @limits;
GRANT EXECUTE ON FUNCTION hubwatch.try_lock_ended_sessions(), hubwatch.end_long_sessions() TO @maintenance;

-- reader: a login that sees some hubs, or all; without a password until it is given one
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '@reader_name') THEN
        CREATE ROLE @reader_name;
    END IF;
    ALTER ROLE @reader_name LOGIN CONNECTION LIMIT 10;
    ALTER ROLE @reader_name SET statement_timeout = '30s';
    ALTER ROLE @reader_name SET jit = off;
    GRANT @reader TO @reader_name;
    GRANT @reader_name TO @limits;
    INSERT INTO hubwatch.role_limits (role, statement, transaction) VALUES ('@reader_name', '30 s', '5 min')
    ON CONFLICT (role) DO UPDATE SET statement = excluded.statement, transaction = excluded.transaction;
END $$;

-- blind: the login sees no hub
DELETE FROM hubwatch.role_hubs WHERE role = %s;

-- see: the login sees these hubs, or all of them (`*`)
INSERT INTO hubwatch.role_hubs (role, hub) SELECT %s, unnest(%s::text[]);
