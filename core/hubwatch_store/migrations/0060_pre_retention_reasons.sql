-- Two default reasons said what a law demands, which could not be verified and depends on where a hub is. The days stay.
UPDATE hubwatch.retention_rule SET why = 'thresholds are tested against a year of background; finds are looked into for years'
WHERE kind = 'radiation_portal' AND why LIKE 'thresholds are tested%19 CFR 163.4)';
UPDATE hubwatch.retention_rule SET why = 'results of inspections are asked for years later'
WHERE kind = 'screening' AND why LIKE 'results of inspections%19 CFR 163.4)';
