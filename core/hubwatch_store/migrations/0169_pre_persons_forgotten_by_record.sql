-- Takes a person out of what is stored, and says of how many rows. Nobody who runs may change whom an event or a detection
-- names by any other way: only under a record that was just begun for this person, and only to the number of that record.
CREATE FUNCTION hubwatch.forget_person(person text, record_id bigint) RETURNS jsonb
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
REVOKE EXECUTE ON FUNCTION hubwatch.forget_person(text, bigint) FROM PUBLIC;
