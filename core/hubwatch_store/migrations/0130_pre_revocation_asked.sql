-- Whoever asks that the keys of an agent be revoked is told of at once, as an alarm: a second person has to agree, and a
-- stolen gateway does not wait until somebody looks at what waits. The alarm is over when it is decided.

CREATE FUNCTION hubwatch.tell_revocation_asked() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    agent text := NEW.details ->> 'agent';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO hubwatch.detection_ends (id, "end", detected)
        SELECT d.id, moment, moment FROM hubwatch.detection d WHERE d.id = 'approval-' || NEW.id
        ON CONFLICT (id) DO NOTHING;
    ELSIF EXISTS (SELECT FROM hubwatch.hubs h WHERE h.hub = NEW.hub) THEN
        INSERT INTO hubwatch.detection (id, type, hub, sensor, start, detected, score, priority, detector, version, late,
            why, evidence)
        VALUES ('approval-' || NEW.id, 'integrity.revocation_asked', NEW.hub, agent, moment, moment, 1, 1, 'approvals', 1,
            false, format('%s asks that agent %s be revoked: a second person decides, approval %s', NEW.asked_by, agent,
            NEW.id), jsonb_build_object('agent', agent, 'approval', NEW.id, 'asked_by', NEW.asked_by, 'reason', NEW.reason));
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION hubwatch.tell_revocation_asked() FROM PUBLIC;
CREATE TRIGGER revocation_told AFTER INSERT ON hubwatch.approvals
    FOR EACH ROW WHEN (NEW.act = 'certificate.revoke') EXECUTE FUNCTION hubwatch.tell_revocation_asked();
CREATE TRIGGER revocation_over AFTER UPDATE OF decision ON hubwatch.approvals
    FOR EACH ROW WHEN (NEW.act = 'certificate.revoke' AND NEW.decision IS NOT NULL)
    EXECUTE FUNCTION hubwatch.tell_revocation_asked();
