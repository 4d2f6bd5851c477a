-- data_stopped: No agent of {{ $labels.hub }} was heard for 30 s, or the database did not answer: whether anything is stored is not known. See the board Device and agent health.
SELECT hub, data_stopped AS value FROM hubwatch.board_alerts()

-- ledger_unexplained: Frames of {{ $labels.hub }} were numbered within a day, are not stored, and nothing explains why (how many: {{ $values.A.Value }}), or the database did not answer. See the gaps in the ledger.
SELECT hub, unexplained AS value FROM hubwatch.board_alerts()

-- detectors_behind: What {{ $labels.hub }} sends is not being judged in time, or the database did not answer: no detection can be relied on. See the console's page Health.
SELECT hub, not_judged AS value FROM hubwatch.board_alerts()

-- nobody_told: Alarms of {{ $labels.hub }} are not made, nobody is told of them, or the database did not answer. See the console's page Health.
SELECT hub, not_told AS value FROM hubwatch.board_alerts()

-- dead_man: Always firing, repeated every five to six minutes for each hub, while Grafana gets answers from the database. When it stops coming for {{ $labels.hub }}, Grafana, the database, the way to you or the reader's right to that hub is gone.
SELECT hub, 1 AS value FROM hubwatch.board_alerts()
