-- When somebody at the hub asked an agent to take a new key; NULL once it has.
ALTER TABLE hubwatch.agent_keys ADD COLUMN renewal_asked_at timestamptz;
