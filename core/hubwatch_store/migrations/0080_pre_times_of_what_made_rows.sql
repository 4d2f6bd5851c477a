-- Rows carry the time of what made them, so that only what was said later replaces them. Times are the database's own:
-- what an agent says is bounded by its receipt.

ALTER TABLE hubwatch.agents
    -- When a frame of the agent last came.
    ADD COLUMN heard timestamptz,
    -- When its state was last said; `state_since` is when it became what it is.
    ADD COLUMN state_said timestamptz;
UPDATE hubwatch.agents SET heard = clock_timestamp() WHERE last_frame IS NOT NULL;
UPDATE hubwatch.agents SET state_said = least(state_since, clock_timestamp());
