-- What lies under a legal hold is evidence: nobody forgets a person in it, whoever calls this and by whatever program. The
-- same holds for an alarm that stands. Both are looked at under the lock of holds, so that none is made meanwhile.
-- A hold is over what lasted into its time, however long before that it began.
CREATE OR REPLACE FUNCTION hubwatch.forget_person(person text, record_id bigint) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erased CONSTANT text := 'erased:' || record_id;
    told jsonb := '{}';
    many bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM hubwatch.privacy_erasures e
        WHERE e.id = record_id AND e.counts IS NULL AND e.digest = sha256(convert_to(person, 'UTF8')))
    THEN
        RAISE EXCEPTION 'no record was begun for this person' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM hubwatch.lock_legal_hold();
    IF EXISTS (SELECT FROM hubwatch.legal_holds h WHERE h.released IS NULL AND (
        EXISTS (SELECT FROM hubwatch.events e WHERE e.subject = person AND e.hub = h.hub
            AND (h.sensor IS NULL OR h.sensor = e.sensor) AND e.time BETWEEN h.held_from AND h.held_to)
        OR EXISTS (SELECT FROM hubwatch.detection d WHERE d.subject = person AND d.hub = h.hub
            AND (h.sensor IS NULL OR h.sensor = d.sensor) AND d.start <= h.held_to
            AND coalesce(d."end", (SELECT n."end" FROM hubwatch.detection_ends n WHERE n.id = d.id), 'infinity') >= h.held_from)
        OR EXISTS (SELECT FROM hubwatch.alarms a WHERE a.subject = person AND a.hub = h.hub
            AND (h.sensor IS NULL OR h.sensor = a.sensor) AND a.opened <= h.held_to
            AND coalesce(a.closed, 'infinity') >= h.held_from)))
    THEN
        RAISE EXCEPTION 'a legal hold is in force over what is stored about this person: release it first'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (SELECT FROM hubwatch.alarms WHERE subject = person AND closed IS NULL) THEN
        RAISE EXCEPTION 'an alarm about this person stands: close it first' USING ERRCODE = 'restrict_violation';
    END IF;
    UPDATE hubwatch.event SET subject = erased WHERE subject = person;
    GET DIAGNOSTICS many = ROW_COUNT;
    told := told || jsonb_build_object('events', many);
    UPDATE hubwatch.detection SET subject = erased, why = replace(why, person, erased),
        evidence = replace(evidence::text, trim(BOTH '"' FROM to_jsonb(person)::text), erased)::jsonb
    WHERE subject = person;
    GET DIAGNOSTICS many = ROW_COUNT;
    told := told || jsonb_build_object('detections', many);
    UPDATE hubwatch.alarms SET subject = erased, why = replace(why, person, erased)
    WHERE subject = person AND closed IS NOT NULL;
    GET DIAGNOSTICS many = ROW_COUNT;
    told := told || jsonb_build_object('alarms', many);
    DELETE FROM hubwatch.cardholder_names WHERE subject = person;
    GET DIAGNOSTICS many = ROW_COUNT;
    told := told || jsonb_build_object('names', many);
    DELETE FROM hubwatch.cardholders WHERE subject = person;
    GET DIAGNOSTICS many = ROW_COUNT;
    told := told || jsonb_build_object('cardholders', many);
    UPDATE hubwatch.privacy_erasures e SET counts = told WHERE e.id = record_id;
    RETURN told;
END $$;
