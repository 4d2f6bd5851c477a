-- When the link in a message was used: once.
ALTER TABLE hubwatch.notification_outbox ADD COLUMN answered timestamptz;
