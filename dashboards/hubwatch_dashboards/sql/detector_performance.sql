-- detectors: The achieved false-alarm rate of each detector over the watched days of the time range, with its interval of 95 %, beside its part of the budget. Alarms that nobody judged count in the upper bound.
SELECT detector AS "Detector", what AS "Type", judgement AS "Judgement", a_day AS "False a day", low AS "Low", high AS "High",
    allowed AS "Allowed", alarms AS "Alarms", judged AS "Judged", falsely AS "False", watched_days AS "Watched days", hub AS "Hub"
FROM hubwatch.board_detectors(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- verdicts: All alarms by day, by what people found them to be.
SELECT * FROM hubwatch.board_verdicts(ARRAY[${hub:sqlstring}]::text[], '', $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- detections: What the detectors found, while it lasted.
SELECT * FROM hubwatch.board_detections(ARRAY[${hub:sqlstring}]::text[], NULL, NULL, $__timeFrom()::timestamptz, $__timeTo()::timestamptz)
