-- open_alarms: Open alarms of doors, readers and badges, the most urgent first.
SELECT priority AS "Priority", place AS "Where", what AS "What", since AS "Since", last AS "Last", state AS "State",
    taken_by AS "Taken by", told AS "Told", times AS "Times", subject AS "Subject", why AS "Why", alarm AS "Alarm"
FROM hubwatch.board_open_alarms(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], 'access.', '{access}')

-- sensors: Every door and reader of the chosen zones: whether it is seen, why not, and when it was last heard.
SELECT place AS "Where", sight AS "Sight", why AS "Why", kind AS "Kind", heard AS "Last heard", channels AS "Unseen channels",
    unpublished AS "Never published"
FROM hubwatch.board_sensors(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], '{access}')

-- counts: Denials, doors held and forced, and tampering in the chosen zones, counted by type.
SELECT * FROM hubwatch.board_event_counts(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], '{access.denied,door.held,door.forced,device.tamper}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)

-- subjects: People with badges of whom something was found in the chosen zones and time range, by pseudonym.
SELECT priority AS "Priority", subject AS "Pseudonym", what AS "Found", times AS "Times", last AS "Last", place AS "Where"
FROM hubwatch.board_subjects(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], 'access.', $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- events: What happened at doors and readers of the chosen zones, the newest first.
SELECT time AS "Time", place AS "Where", what AS "What", subject AS "Who", detail AS "Detail"
FROM hubwatch.board_events(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], '{access}', '{access,door}', $__timeFrom()::timestamptz, $__timeTo()::timestamptz, 'No event of a door')

-- detections: What the detectors of access found, while it lasted.
SELECT * FROM hubwatch.board_detections(ARRAY[${hub:sqlstring}]::text[], ARRAY[${zone:sqlstring}]::text[], 'access.', $__timeFrom()::timestamptz, $__timeTo()::timestamptz)
