-- The delivery record says with which message, and which attempt of it, another one was told: that is what somebody who
-- answers that message has seen. The column it replaces came with 0152 and was in no release.
ALTER TABLE hubwatch.notifications
    ADD COLUMN carried_by text,
    ADD COLUMN carried_attempt integer,
    ADD CHECK ((carried_by IS NULL) = (carried_attempt IS NULL));
CREATE INDEX notifications_carried ON hubwatch.notifications (carried_by, carried_attempt) WHERE carried_by IS NOT NULL;
ALTER TABLE hubwatch.notification_outbox DROP COLUMN carried_by;
