-- open_alarms: Open alarms of equipment, the most urgent first.
SELECT priority AS "Priority", place AS "Where", what AS "What", since AS "Since", last AS "Last", state AS "State",
    taken_by AS "Taken by", told AS "Told", times AS "Times", subject AS "Subject", why AS "Why", alarm AS "Alarm"
FROM hubwatch.board_open_alarms(ARRAY[${hub:sqlstring}]::text[], NULL, 'process.', '{process,environment}')

-- power_alarms: Open alarms of the power supply, the most urgent first.
SELECT priority AS "Priority", place AS "Where", what AS "What", since AS "Since", last AS "Last", state AS "State",
    taken_by AS "Taken by", told AS "Told", times AS "Times", subject AS "Subject", why AS "Why", alarm AS "Alarm"
FROM hubwatch.board_open_alarms(ARRAY[${hub:sqlstring}]::text[], NULL, 'power.', '{power}')

-- values: The newest value of every channel of process equipment, power and environment, and when it was read.
SELECT place AS "Where", quantity AS "Quantity", value AS "Value", sight AS "Sight", read AS "Read"
FROM hubwatch.board_values(ARRAY[${hub:sqlstring}]::text[], NULL, '{process,power,environment}', NULL)

-- course: The course of the chosen equipment, highest in each interval. The line breaks where nothing was read.
SELECT * FROM hubwatch.board_course(ARRAY[${hub:sqlstring}]::text[], '{process,power,environment}', ARRAY[${equipment:sqlstring}]::text[], NULL, $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)

-- sensors: Every sensor of process equipment, power and environment: whether it is seen.
SELECT place AS "Where", sight AS "Sight", why AS "Why", kind AS "Kind", heard AS "Last heard", channels AS "Unseen channels",
    unpublished AS "Never published"
FROM hubwatch.board_sensors(ARRAY[${hub:sqlstring}]::text[], NULL, '{process,power,environment}')

-- detections: What the detectors of equipment found, while it lasted.
SELECT * FROM hubwatch.board_detections(ARRAY[${hub:sqlstring}]::text[], NULL, 'process.', $__timeFrom()::timestamptz, $__timeTo()::timestamptz)
