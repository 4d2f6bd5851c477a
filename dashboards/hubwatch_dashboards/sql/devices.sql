-- agents: Every agent: whether it is heard, how long its frames take (95 % of the last ten minutes), what waits in its spool, and what is missing of it.
SELECT agent AS "Agent", state AS "State", heard AS "Last heard", latency_p95_s AS "Latency", frames AS "Frames",
    spool_frames AS "In spool", clock_offset_ms AS "Clock off by", sensors AS "Sensors", missing AS "Missing frames",
    software AS "Software"
FROM hubwatch.board_agents(ARRAY[${hub:sqlstring}]::text[])

-- sensors: Every sensor, those that are not seen first. Never published is a channel of the profile that never came.
SELECT place AS "Where", sight AS "Sight", why AS "Why", kind AS "Kind", heard AS "Last heard", channels AS "Unseen channels",
    unpublished AS "Never published"
FROM hubwatch.board_sensors(ARRAY[${hub:sqlstring}]::text[], NULL, NULL)

-- ledger_gaps: Frames that were numbered but are not stored, with what is known of the cause; unexplained ones first.
SELECT cause AS "Cause", agent AS "Agent", frames AS "Frames", first_seq AS "From", last_seq AS "To", since AS "Since"
FROM hubwatch.board_gaps(ARRAY[${hub:sqlstring}]::text[])

-- dead_letters: Messages that could not be read, with the reason; `hubwatch dead-letters show` has their bytes.
SELECT last_seen AS "Last seen", agent AS "Agent", reason AS "Reason", times AS "Times", topic AS "Topic", id AS "Id"
FROM hubwatch.board_dead_letters(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- batteries: Batteries and what devices say of their own power, the newest value of each.
SELECT place AS "Where", quantity AS "Quantity", value AS "Value", sight AS "Sight", read AS "Read"
FROM hubwatch.board_values(ARRAY[${hub:sqlstring}]::text[], NULL, NULL, '{battery,battery_voltage,low_battery,replace_battery,battery_state,battery_missing}')

-- spool: Frames that wait in the spools of agents. They grow while the link is down.
SELECT * FROM hubwatch.board_course(ARRAY[${hub:sqlstring}]::text[], NULL, NULL, '{spool_frames}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)

-- readings_rate: Readings stored a second, as the ledger counts them. A backlog after an outage shows as a peak.
SELECT * FROM hubwatch.board_readings_stored(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)
