-- data_stopped: No agent of {{ $labels.hub }} was heard for 30 s: nothing of it is being stored. See the board Device and agent health.
SELECT hub, data_stopped AS value FROM hubwatch.board_alerts()

-- ledger_unexplained: {{ $values.A.Value }} frames of {{ $labels.hub }} were numbered, are not stored, and nothing explains why. See the gaps in the ledger.
SELECT hub, unexplained AS value FROM hubwatch.board_alerts()

-- detectors_behind: What {{ $labels.hub }} sends is not being judged in time: no detection can be relied on. See the console's page Health.
SELECT hub, not_judged AS value FROM hubwatch.board_alerts()

-- nobody_told: Alarms of {{ $labels.hub }} are not made, or nobody is told of them. See the console's page Health.
SELECT hub, not_told AS value FROM hubwatch.board_alerts()

-- dead_man: Always firing, repeated every five minutes, while Grafana gets answers from the database. When it stops coming, Grafana, the database or the way to you is dead.
SELECT 'database' AS answered, count(*) AS value FROM hubwatch.board_alerts() HAVING count(*) > 0
