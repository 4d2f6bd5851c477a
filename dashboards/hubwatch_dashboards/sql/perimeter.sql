-- open_alarms: Open alarms of the perimeter, the most urgent first.
SELECT priority AS "Priority", place AS "Where", what AS "What", since AS "Since", last AS "Last", state AS "State",
    taken_by AS "Taken by", told AS "Told", times AS "Times", subject AS "Subject", why AS "Why", alarm AS "Alarm"
FROM hubwatch.board_open_alarms(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], 'perimeter.', '{perimeter}')

-- sections: The sections of each fence in order: what is seen, what is open, and findings and nuisances of the last 24 hours.
SELECT fence AS "Fence", stretch AS "From – to", place AS "Where", sight AS "Sight", alarms AS "Open alarms",
    findings AS "Findings", nuisances AS "Nuisances", last AS "Last"
FROM hubwatch.board_sections(ARRAY[${hub:sqlstring}]::text[])

-- verdicts: Alarms of the perimeter by day over 30 days, by what people found them to be.
SELECT * FROM hubwatch.board_verdicts(ARRAY[${hub:sqlstring}]::text[], 'perimeter.', $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- weather: Wind of the weather stations, beside which nuisances are to be read.
SELECT * FROM hubwatch.board_course(ARRAY[${hub:sqlstring}]::text[], '{environment}', NULL, '{wind_speed,wind_gust,rain}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)

-- detections: What the detectors of the perimeter found, nuisances among them, while it lasted.
SELECT * FROM hubwatch.board_detections(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], 'perimeter.', $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- events: What the fence and its layers reported, the newest first.
SELECT time AS "Time", place AS "Where", what AS "What", subject AS "Who", detail AS "Detail"
FROM hubwatch.board_events(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], '{perimeter}', '{perimeter}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, 'No event of the perimeter')
