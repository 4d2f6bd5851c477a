-- figures: The figures of IEC 62682 over the last 24 hours, each beside what is still manageable for one operator.
SELECT figure AS "Figure", value AS "Value", bound AS "Manageable", judgement AS "Judgement", hub AS "Hub"
FROM hubwatch.board_figures(ARRAY[${hub:sqlstring}]::text[])

-- rate: Alarms presented to people in ten minutes. More than ten is a flood.
SELECT * FROM hubwatch.board_alarm_rate(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz, $__interval_ms::bigint)

-- frequent: Which alarms came up most in the time range, their share of all, and how often within one minute in the last day (three is chattering).
SELECT place AS "Where", what AS "What", presented AS "Presented", share AS "Share", within_minute AS "Within a minute"
FROM hubwatch.board_frequent(ARRAY[${hub:sqlstring}]::text[], $__timeFrom()::timestamptz, $__timeTo()::timestamptz)

-- suppressed: All that nobody is told of, each with who, why and until when.
SELECT priority AS "Priority", place AS "Where", kind AS "Set aside", what AS "What", since AS "Since", until AS "Until",
    by AS "By", agreed_by AS "Agreed by", why AS "Why", alarm AS "Alarm"
FROM hubwatch.board_suppressed(ARRAY[${hub:sqlstring}]::text[])

-- verdicts: All alarms by day, by what people found them to be.
SELECT * FROM hubwatch.board_verdicts(ARRAY[${hub:sqlstring}]::text[], '', $__timeFrom()::timestamptz, $__timeTo()::timestamptz)
