-- zones: Each chosen zone: how much of it is seen, what is open, how important it is. BLIND is a zone without a sensor that is seen.
SELECT priority AS "Priority", place AS "Zone", sight AS "Sight", seen AS "Seen", alarms AS "Open alarms",
    criticality AS "Criticality", heard AS "Last heard"
FROM hubwatch.board_zones(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[])

-- open_alarms: Open alarms of the chosen zones, the most urgent first.
SELECT priority AS "Priority", place AS "Where", what AS "What", since AS "Since", last AS "Last", state AS "State",
    taken_by AS "Taken by", told AS "Told", times AS "Times", subject AS "Subject", why AS "Why", alarm AS "Alarm"
FROM hubwatch.board_open_alarms(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], NULL, NULL)

-- sensors: Every sensor of the chosen zones: whether it is seen, why not, and when it was last heard.
SELECT place AS "Where", sight AS "Sight", why AS "Why", kind AS "Kind", heard AS "Last heard", channels AS "Unseen channels",
    unpublished AS "Never published"
FROM hubwatch.board_sensors(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], NULL)

-- values: The newest value of every channel of the chosen zones, and when it was read. STALE is older than its sensor may be.
SELECT place AS "Where", quantity AS "Quantity", value AS "Value", sight AS "Sight", read AS "Read"
FROM hubwatch.board_values(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], NULL, NULL)

-- detections: What the detectors found in the chosen zones, while it lasted.
SELECT * FROM hubwatch.board_detections(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], NULL, $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- events: What happened in the chosen zones, the newest first.
SELECT time AS "Time", place AS "Where", what AS "What", subject AS "Who", detail AS "Detail"
FROM hubwatch.board_events(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], '{access,perimeter,radiation_portal,radiation_area,chemical,screening,process,environment,power}', '{device}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, 'No event')
