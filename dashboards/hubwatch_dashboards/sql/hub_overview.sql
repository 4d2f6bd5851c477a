-- duties: Whether data is stored, judged and told right now, and when each last was. NOT SURE names the hubs at which it is not.
SELECT duty AS "Watching", works AS "Works", hub_names AS "Not at", last AS "Last", as_of AS "As of"
FROM hubwatch.board_watching(ARRAY[${hub:sqlstring}]::text[])

-- open_alarms: Every alarm that is not closed, the most urgent first, and among those the ones nobody has taken. That none is open is said only while data is stored and judged.
SELECT priority AS "Priority", place AS "Where", what AS "What", since AS "Since", last AS "Last", state AS "State",
    taken_by AS "Taken by", told AS "Told", times AS "Times", subject AS "Subject", why AS "Why", alarm AS "Alarm"
FROM hubwatch.board_open_alarms(ARRAY[${hub:sqlstring}]::text[], NULL, NULL, NULL)

-- blind: What cannot be seen right now. Sensors of which a channel is too old or bad, and agents that are offline. A channel that never came beside others is not expected.
SELECT place AS "Blind", why AS "Why", channels AS "Channels", heard AS "Last heard" FROM hubwatch.board_blind(ARRAY[${hub:sqlstring}]::text[])

-- suppressed: All that nobody is told of: alarms that are set aside, and works, outages and maintenance that are expected, each with who, why and until when.
SELECT priority AS "Priority", place AS "Where", kind AS "Set aside", what AS "What", since AS "Since", until AS "Until",
    by AS "By", agreed_by AS "Agreed by", why AS "Why", alarm AS "Alarm"
FROM hubwatch.board_suppressed(ARRAY[${hub:sqlstring}]::text[])

-- alarms_waiting: Alarms that nobody has acknowledged. NOT KNOWN while it is not sure that alarms would be found.
SELECT alarms_waiting AS "Alarms waiting", as_of AS "As of" FROM hubwatch.board_numbers(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- sensors_blind: Sensors of which at least one expected channel is not seen.
SELECT sensors_blind AS "Sensors blind", as_of AS "As of" FROM hubwatch.board_numbers(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- agents_offline: Agents that are offline or have said nothing for 30 s: everything behind them is unseen.
SELECT agents_offline AS "Agents offline", as_of AS "As of" FROM hubwatch.board_numbers(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- frames_unexplained: Frames that were numbered by an agent, never arrived, and that nothing accounts for.
SELECT frames_unexplained AS "Frames unexplained", as_of AS "As of" FROM hubwatch.board_numbers(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- dead_letters_now: Messages in the time range that could not be read and were set aside whole.
SELECT dead_letters AS "Dead letters", as_of AS "As of" FROM hubwatch.board_numbers(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- readings_now: Readings stored a second, over the last minute.
SELECT readings_a_second AS "Readings/s", as_of AS "As of" FROM hubwatch.board_numbers(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- detections: What the detectors found, by type and place, while it lasted. The 20 most urgent.
SELECT * FROM hubwatch.board_detections(ARRAY[${hub:sqlstring}]::text[], NULL, NULL, $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- portal_gamma: Gamma counts a sample of each portal panel, highest in each interval. The line breaks where nothing was read.
SELECT * FROM hubwatch.board_course(ARRAY[${hub:sqlstring}]::text[], '{radiation_portal}', NULL, '{gamma}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)

-- portal_neutron: Neutron counts a sample of each portal panel, highest in each interval. The line breaks where nothing was read.
SELECT * FROM hubwatch.board_course(ARRAY[${hub:sqlstring}]::text[], '{radiation_portal}', NULL, '{neutron}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)

-- portal_occupied: Whether something stood in the portal.
SELECT * FROM hubwatch.board_course(ARRAY[${hub:sqlstring}]::text[], '{radiation_portal}', NULL, '{occupied}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)

-- doors: What happened at doors and readers, the newest first.
SELECT time AS "Time", place AS "Where", what AS "What", subject AS "Who", detail AS "Detail"
FROM hubwatch.board_events(ARRAY[${hub:sqlstring}]::text[], NULL, '{access}', '{access,door}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, 'No event of a door')

-- perimeter: What the fence and its layers reported, the newest first.
SELECT time AS "Time", place AS "Where", what AS "What", subject AS "Who", detail AS "Detail"
FROM hubwatch.board_events(ARRAY[${hub:sqlstring}]::text[], NULL, '{perimeter}', '{perimeter}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, 'No event of the perimeter')

-- readings_rate: Readings stored a second, as the ledger counts them. A backlog after an outage shows as a peak.
SELECT * FROM hubwatch.board_readings_stored(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)
