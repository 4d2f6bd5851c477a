-- What boards say of the work: whether a hub's data is stored, judged and told, with the time at which it last was.

-- When a process last showed that it lives, by the database's clock; only for people to look at (the lease has no clock).
ALTER TABLE hubwatch.process_owner ADD COLUMN beaten timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE FUNCTION hubwatch.note_beat() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.beaten := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER process_owner_beaten BEFORE UPDATE OF beats ON hubwatch.process_owner
    FOR EACH ROW WHEN (NEW.beats IS DISTINCT FROM OLD.beats) EXECUTE FUNCTION hubwatch.note_beat();
-- Since when a finding waits for an alarm to be made of it.
ALTER TABLE hubwatch.alarm_inbox ADD COLUMN came timestamptz NOT NULL DEFAULT clock_timestamp();

-- A reader may look at none of these tables; it is told times of its own hubs, and nothing else. A hub that is not there,
-- or that it may not see, has no time at all: of the two nobody can tell which.
CREATE FUNCTION hubwatch.board_work(hubs text[])
RETURNS TABLE (hub text, heard timestamptz, judged timestamptz, detecting timestamptz, alarming timestamptz,
    unmade timestamptz, untold timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH asked AS (
        SELECT DISTINCT u.hub, h.hub IS NOT NULL AS seen FROM unnest(board_work.hubs) u (hub)
        LEFT JOIN hubwatch.hubs h ON h.hub = u.hub AND (hubwatch.sees_all() OR h.hub = ANY (hubwatch.my_hubs()))
    )
    SELECT h.hub, w.heard, w.judged, w.detecting, w.alarming, w.unmade, w.untold
    FROM asked h
    LEFT JOIN LATERAL (SELECT
        (SELECT max(a.heard) FROM hubwatch.agents a WHERE a.hub = h.hub AND a.gone IS NULL) AS heard,
        greatest((SELECT max(d.saved) FROM hubwatch.detector_state d WHERE d.hub = h.hub),
            (SELECT max(d.saved) FROM hubwatch.detector_journal d WHERE d.hub = h.hub)) AS judged,
        (SELECT max(p.beaten) FROM hubwatch.process_owner p WHERE p.kind = 'detectors'
            AND (coalesce(p.hubs, '{}') = '{}' OR h.hub = ANY (p.hubs))) AS detecting,
        (SELECT max(p.beaten) FROM hubwatch.process_owner p WHERE p.kind = 'alarms') AS alarming,
        (SELECT min(i.came) FROM hubwatch.alarm_inbox i JOIN hubwatch.detection d ON d.id = i.detection
            WHERE d.hub = h.hub) AS unmade,
        -- What waits to be sent, and what nobody waits to send any more: given up, refused, or without a route.
        least((SELECT min(o.queued) FROM hubwatch.notification_outbox o JOIN hubwatch.alarms a ON a.id = o.alarm
                WHERE a.hub = h.hub AND o.state = 'waiting'),
            (SELECT min(coalesce(t.untold_since, a.opened)) FROM hubwatch.alarms a
                JOIN hubwatch.alarm_telling t ON t.alarm = a.id
                WHERE a.hub = h.hub AND a.closed IS NULL AND a.exercise IS NULL
                    AND a.state IN ('unacknowledged', 'returned')
                    AND (t.untold_since IS NOT NULL OR t.told IS NULL))) AS untold
    ) w ON h.seen
    WHERE EXISTS (SELECT FROM asked s WHERE s.seen)
$$;

-- The bounds are those of the console (hubwatch_console/watching.py). A time of the future is no work.
CREATE FUNCTION hubwatch.board_duties(hubs text[])
RETURNS TABLE (place integer, duty text, works text, hub_names text, last timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT d.place, d.duty, CASE WHEN bool_and(d.works) THEN 'yes' ELSE 'NOT SURE' END,
        string_agg(w.hub, ', ' ORDER BY w.hub) FILTER (WHERE NOT d.works), min(d.last)
    FROM hubwatch.board_work(hubs) w
    CROSS JOIN LATERAL (VALUES
        (1, 'data is stored', coalesce(w.heard BETWEEN now() - INTERVAL '30 s' AND now() + INTERVAL '30 s', false), w.heard),
        (2, 'data is judged', coalesce(w.judged BETWEEN now() - INTERVAL '120 s' AND now() + INTERVAL '120 s'
            AND w.detecting BETWEEN now() - INTERVAL '15 s' AND now() + INTERVAL '15 s', false), w.judged),
        (3, 'alarms are made', coalesce(w.alarming BETWEEN now() - INTERVAL '15 s' AND now() + INTERVAL '15 s'
            AND coalesce(w.unmade > now() - INTERVAL '10 s', true), false), coalesce(w.unmade, w.alarming)),
        (4, 'people are told', coalesce(w.alarming BETWEEN now() - INTERVAL '15 s' AND now() + INTERVAL '15 s'
            AND coalesce(w.untold > now() - INTERVAL '60 s', true), false), coalesce(w.untold, w.alarming))
    ) d (place, duty, works, last)
    GROUP BY d.place, d.duty
$$;

-- The moment of the answer, in words.
CREATE FUNCTION hubwatch.board_as_of() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(now() AT TIME ZONE 'UTC', '"as of "HH24:MI:SS" UTC"')
$$;

-- What a panel says when it found nothing: that all is well is said only of a hub that is there.
CREATE FUNCTION hubwatch.board_calm(sentence text, hubs text[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_calm.hubs))
        THEN sentence || ', ' || hubwatch.board_as_of() ELSE 'no hub yet' END
$$;

-- The same of what only the stored data can say.
CREATE FUNCTION hubwatch.board_stored_calm(sentence text, hubs text[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM hubwatch.board_duties(board_stored_calm.hubs) d
            WHERE d.place = 1 AND d.works = 'NOT SURE') THEN 'NOT KNOWN: it is not sure that data is stored'
        ELSE hubwatch.board_calm(sentence, board_stored_calm.hubs) END
$$;

-- Whether some zone that is there was chosen; '–' is what has no zone.
CREATE FUNCTION hubwatch.board_chosen(hubs text[], zones text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT board_chosen.zones IS NULL OR '–' = ANY (board_chosen.zones)
        OR EXISTS (SELECT FROM hubwatch.zones z WHERE z.hub = ANY (board_chosen.hubs) AND z.zone = ANY (board_chosen.zones))
        OR EXISTS (SELECT FROM hubwatch.sensors s WHERE s.hub = ANY (board_chosen.hubs) AND s.zone = ANY (board_chosen.zones))
$$;

-- The same where only some kinds of sensor, of some zones, could have had something to say, and it would be stored.
CREATE FUNCTION hubwatch.board_calm(sentence text, hubs text[], zones text[], kinds text[])
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_calm.hubs)) THEN 'no hub yet'
        WHEN NOT hubwatch.board_chosen(board_calm.hubs, board_calm.zones) THEN 'nothing chosen'
        WHEN NOT EXISTS (SELECT FROM hubwatch.sensors s WHERE s.hub = ANY (board_calm.hubs) AND s.gone IS NULL
            AND (board_calm.zones IS NULL OR coalesce(s.zone, '–') = ANY (board_calm.zones))
            AND (board_calm.kinds IS NULL OR s.kind = ANY (board_calm.kinds)))
        THEN 'no sensor yet'
        WHEN EXISTS (SELECT FROM hubwatch.board_duties(board_calm.hubs) d WHERE d.place = 1 AND d.works = 'NOT SURE')
        THEN 'NOT KNOWN: it is not sure that data is stored'
        ELSE sentence || ', ' || hubwatch.board_as_of() END
$$;

-- Of alarms it is said only while somebody looks for them.
CREATE FUNCTION hubwatch.board_no_alarm(sentence text, hubs text[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN count(*) FILTER (WHERE d.works = 'NOT SURE') > 0
        THEN 'NOT KNOWN: it is not sure that ' || string_agg(d.duty, ', ' ORDER BY d.place) FILTER (WHERE d.works = 'NOT SURE')
        ELSE hubwatch.board_calm(sentence, board_no_alarm.hubs) END
    FROM hubwatch.board_duties(board_no_alarm.hubs) d
$$;

-- The same of some zones.
CREATE FUNCTION hubwatch.board_no_alarm(sentence text, hubs text[], zones text[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN hubwatch.board_chosen(board_no_alarm.hubs, board_no_alarm.zones)
            OR NOT EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = ANY (board_no_alarm.hubs))
        THEN hubwatch.board_no_alarm(sentence, board_no_alarm.hubs) ELSE 'nothing chosen' END
$$;

-- The same for a person to read; of no hub nothing is known.
CREATE FUNCTION hubwatch.board_watching(hubs text[])
RETURNS TABLE (duty text, works text, hub_names text, last timestamptz, as_of text)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(d.duty, 'no hub yet'), d.works, d.hub_names, d.last,
        CASE WHEN d.duty IS NOT NULL THEN hubwatch.board_as_of() END
    FROM (SELECT) c LEFT JOIN hubwatch.board_duties(board_watching.hubs) d ON true
    ORDER BY d.place
$$;
