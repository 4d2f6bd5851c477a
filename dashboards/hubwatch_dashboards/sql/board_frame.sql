-- hubs: the hubs a person may choose among
SELECT hub FROM hubwatch.hubs ORDER BY hub

-- zones: the zones of the chosen hubs
SELECT value AS "__value", name AS "__text" FROM hubwatch.board_zone_names(ARRAY[${hub:sqlstring}]::text[])

-- portals: the radiation portals of the chosen hubs
SELECT value AS "__value", name AS "__text" FROM hubwatch.board_sensor_names(ARRAY[${hub:sqlstring}]::text[], '{radiation_portal}')

-- equipment: the equipment of the chosen hubs
SELECT value AS "__value", name AS "__text" FROM hubwatch.board_sensor_names(ARRAY[${hub:sqlstring}]::text[], '{process,power,environment}')

-- marks: alarms, commands and changes of the security level
SELECT time, text, tags FROM hubwatch.board_marks(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz)
