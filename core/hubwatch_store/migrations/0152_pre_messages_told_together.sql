-- Messages to a person of one incident are told in one: which message told of this one, too.
ALTER TABLE hubwatch.notification_outbox ADD COLUMN carried_by text;
