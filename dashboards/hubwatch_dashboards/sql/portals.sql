-- open_alarms: Open alarms of radiation, and of portals and area monitors, the most urgent first.
SELECT priority AS "Priority", place AS "Where", what AS "What", since AS "Since", last AS "Last", state AS "State",
    taken_by AS "Taken by", told AS "Told", times AS "Times", subject AS "Subject", why AS "Why", alarm AS "Alarm"
FROM hubwatch.board_open_alarms(ARRAY[${hub:sqlstring}]::text[], NULL, 'radiation.', '{radiation_portal,radiation_area}')

-- sensors: Every radiation portal and area monitor: whether it is seen, why not, and when it was last heard.
SELECT place AS "Where", sight AS "Sight", why AS "Why", kind AS "Kind", heard AS "Last heard", channels AS "Unseen channels",
    unpublished AS "Never published"
FROM hubwatch.board_sensors(ARRAY[${hub:sqlstring}]::text[], NULL, '{radiation_portal,radiation_area}')

-- occupancies: One row for each vehicle, the newest first: how long it stood, its highest counts, and what was found. Of the last six hours of the time range at most.
SELECT began AS "Began", place AS "Portal", seconds AS "Stood", gamma AS "Gamma", neutron AS "Neutron", found AS "Found"
FROM hubwatch.board_occupancies(ARRAY[${hub:sqlstring}]::text[], ARRAY[${portal:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- gamma: The gamma profile of the chosen portals, counts a sample; behind it when they were occupied.
SELECT * FROM hubwatch.board_course(ARRAY[${hub:sqlstring}]::text[], '{radiation_portal}', ARRAY[${portal:sqlstring}]::text[], '{gamma}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)

-- neutron: The neutron profile of the chosen portals, counts a sample; behind it when they were occupied.
SELECT * FROM hubwatch.board_course(ARRAY[${hub:sqlstring}]::text[], '{radiation_portal}', ARRAY[${portal:sqlstring}]::text[], '{neutron}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)

-- occupied: Whether something stood in the portal.
SELECT * FROM hubwatch.board_course(ARRAY[${hub:sqlstring}]::text[], '{radiation_portal}', ARRAY[${portal:sqlstring}]::text[], '{occupied}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)

-- background: The lowest count of each hour over 30 days: the background, by panel. A step is a source nearby or a detector that fails.
SELECT * FROM hubwatch.board_hours(ARRAY[${hub:sqlstring}]::text[], ARRAY[${portal:sqlstring}]::text[], '{gamma}', 'min', $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- throughput: The share of each hour in which a portal was occupied, over seven days.
SELECT * FROM hubwatch.board_hours(ARRAY[${hub:sqlstring}]::text[], ARRAY[${portal:sqlstring}]::text[], '{occupied}', 'avg', $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- verdicts: Radiation alarms by day over 30 days, by what people found them to be. Innocent is NORM and medical isotopes.
SELECT * FROM hubwatch.board_verdicts(ARRAY[${hub:sqlstring}]::text[], 'radiation.', $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- detections: What the detectors of radiation found, while it lasted.
SELECT * FROM hubwatch.board_detections(ARRAY[${hub:sqlstring}]::text[], NULL, 'radiation.', $__timeFrom()::timestamptz, $__timeTo()::timestamptz)
