-- The ledger knows whom it refused: a dead letter that names a frame makes its epoch known, within a budget, because
-- whoever sends what is refused can name as many epochs as it likes.

ALTER TABLE hubwatch.epoch
    -- Whether a dead letter made it known.
    ADD COLUMN refused boolean NOT NULL DEFAULT false;
CREATE INDEX epoch_refused ON hubwatch.epoch (hub, agent) WHERE refused;

-- Makes epochs known that dead letters name: of an agent at most 100, of all agents at most 10 000. One letter at a time,
-- as they are few.
CREATE FUNCTION hubwatch.know_refused_epoch(hub_ text, agent_ text, epoch_ text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM hubwatch.epoch e WHERE (e.hub, e.agent, e.epoch) = (hub_, agent_, epoch_)) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('hubwatch.refused_epochs'));
    IF (SELECT count(*) FROM (SELECT FROM hubwatch.epoch e WHERE e.refused AND (e.hub, e.agent) = (hub_, agent_) LIMIT 100) n) >= 100
        OR (SELECT count(*) FROM (SELECT FROM hubwatch.epoch e WHERE e.refused LIMIT 10000) n) >= 10000 THEN
        RETURN;
    END IF;
    INSERT INTO hubwatch.hubs (hub) VALUES (hub_) ON CONFLICT DO NOTHING;
    INSERT INTO hubwatch.agents (hub, agent, epoch) VALUES (hub_, agent_, epoch_) ON CONFLICT DO NOTHING;
    INSERT INTO hubwatch.epoch (hub, agent, epoch, refused) VALUES (hub_, agent_, epoch_, true) ON CONFLICT DO NOTHING;
END $$;

SELECT hubwatch.know_refused_epoch(hub, agent, epoch)
FROM (SELECT DISTINCT hub, agent, epoch FROM hubwatch.dead_letters WHERE seq IS NOT NULL ORDER BY 1, 2, 3) d;
