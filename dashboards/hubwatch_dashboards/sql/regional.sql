-- hubs: Hubs side by side, the worst first: whether each is watched, its security level, what is blind, what waits.
SELECT priority AS "Worst", place AS "Hub", works AS "Watched", level AS "Level", blind AS "Blind", blind_share AS "Blind share",
    alarms AS "Waiting", agents_offline AS "Agents offline", heard AS "Last heard", doubt AS "Not sure that", hub AS "Id"
FROM hubwatch.board_hubs(ARRAY[${hub:sqlstring}]::text[])

-- open_alarms: Open alarms of all chosen hubs, the most urgent first.
SELECT priority AS "Priority", place AS "Where", what AS "What", since AS "Since", last AS "Last", state AS "State",
    taken_by AS "Taken by", told AS "Told", times AS "Times", subject AS "Subject", why AS "Why", alarm AS "Alarm"
FROM hubwatch.board_open_alarms(ARRAY[${hub:sqlstring}]::text[], NULL, NULL, NULL)

-- blind: What cannot be seen right now at the chosen hubs.
SELECT place AS "Blind", why AS "Why", channels AS "Channels", heard AS "Last heard" FROM hubwatch.board_blind(ARRAY[${hub:sqlstring}]::text[])

-- rate: Alarms presented to people in ten minutes, by hub.
SELECT * FROM hubwatch.board_alarm_rate(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)

-- detections: What the detectors found, while it lasted.
SELECT * FROM hubwatch.board_detections(ARRAY[${hub:sqlstring}]::text[], NULL, NULL, $__timeFrom()::timestamptz, $__timeTo()::timestamptz)
