-- Open alarms in the order in which they want attention while no hub is in a flood: what nobody has first, by priority, and of one
-- priority what is there before what is gone. The same expressions stand in the query `queue_calm`.
CREATE INDEX alarms_by_priority ON hubwatch.alarms ((exercise IS NOT NULL),
    (CASE WHEN state IN ('unacknowledged', 'returned') THEN 0 WHEN state = 'acknowledged' THEN 1 ELSE 2 END),
    (2 * priority + (state = 'returned')::int), opened DESC, id) WHERE closed IS NULL;
DROP INDEX hubwatch.alarms_in_order;
