-- unexplained: epochs with missing frames that nothing explains: how many, between which, known since when
SELECT hub, agent, epoch, sum(frames)::bigint, min(first_seq), max(last_seq), min(since)
FROM hubwatch.ledger_gaps WHERE cause = 'unexplained' GROUP BY hub, agent, epoch ORDER BY hub, agent, epoch;

-- open: findings about unexplained gaps that are not over, with the frames each told of
SELECT id, hub, sensor, subject, (evidence ->> 'frames')::bigint FROM hubwatch.detections
WHERE type = 'integrity.unexplained_gap' AND "end" IS NULL;
