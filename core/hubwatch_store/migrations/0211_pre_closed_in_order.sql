-- What is closed is listed by when it closed, the newest first, a page at a time: read from the end of its hub's index, and
-- not sorted out of all that was ever closed. Written once, when something closes.
CREATE INDEX alarms_closed ON hubwatch.alarms (hub, closed, id) WHERE closed IS NOT NULL;
CREATE INDEX incidents_closed_in_order ON hubwatch.incidents (hub, closed, id) WHERE closed IS NOT NULL AND merged_into IS NULL;
DROP INDEX hubwatch.incidents_closed;
