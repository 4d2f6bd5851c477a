-- figures: the key figures of the last 24 hours, a row for each hub
SELECT hub, per_hour, flood_share, top_10_share, stale, chattering, shelved, suppressed, acknowledged_p50_s,
    acknowledged_p95_s
FROM hubwatch.alarm_figures ORDER BY hub;
