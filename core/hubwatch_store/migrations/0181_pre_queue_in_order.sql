-- Open alarms in the order in which they want attention while no hub is in a flood: a page is read from the front of it,
-- and not sorted out of all that is open. The same expressions stand in the query `queue_calm`.
CREATE INDEX alarms_in_order ON hubwatch.alarms ((exercise IS NOT NULL),
    (CASE state WHEN 'unacknowledged' THEN 0 WHEN 'returned' THEN 1 WHEN 'acknowledged' THEN 2 ELSE 3 END),
    priority, opened DESC, id) WHERE closed IS NULL;
