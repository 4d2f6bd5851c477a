"""Journals beside the alarms' that the chain of acts holds: rows of them, and every way to change one."""

from __future__ import annotations

ACTS = 6
"""Rows of the chain that `FILL` makes."""
FILL = """
INSERT INTO incidents (hub, opened, title) VALUES ('port', now(), 'gamma at the gate');
INSERT INTO incident_journal (incident, hub, action, by, verified, note)
    SELECT min(id), 'port', 'commented', 'kim', true, 'seen' FROM incidents;
INSERT INTO incident_journal (incident, hub, action, by, verified, verdict)
    SELECT min(id), 'port', 'closed', 'kim', false, 'real' FROM incidents;
INSERT INTO adjudications (alarm, detection, verdict, by, note)
    SELECT min(id), 'd1', 'real', 'kim', 'a source' FROM alarms;
INSERT INTO adjudications (alarm, detection, verdict, by, verified)
    SELECT min(id), 'd2', 'test', 'lee', true FROM alarms;
DO $$
BEGIN
    FOR i IN 1..2 LOOP
        INSERT INTO handovers (hub, drafted, drafted_by, drafted_verified, facts, notes)
            VALUES ('port', now(), 'kim', true, '{}', 'note ' || i);
        UPDATE handovers SET left_by = 'kim', left_at = now(), left_verified = true WHERE taken_at IS NULL;
        UPDATE handovers SET taken_by = 'lee', taken_at = now(), taken_verified = true WHERE taken_at IS NULL;
    END LOOP;
END $$;
"""
_ACTS = {"incident_journal": "incident_journal", "adjudications": "adjudication", "handovers": "handover signed"}
"""What the chain calls a row of each table."""
TABLES = tuple(_ACTS)
_NEW = {
    "incident_journal": {
        "id": "id + 1000",
        "incident": "incident + 1",
        "hub": "hub || 'x'",
        "at": "at + INTERVAL '1 us'",
        "action": "'reopened'",
        "by": "'somebody else'",
        "verified": "NOT verified",
        "note": "coalesce(note, '') || 'x'",
        "alarm": "coalesce(alarm, 0) + 1",
        "other": "coalesce(other, 0) + 1",
        "verdict": "coalesce(verdict, '') || 'x'",
        "person": "coalesce(person, '') || 'x'",
    },
    "adjudications": {
        "id": "id + 1000",
        "alarm": "alarm + 1",
        "at": "at + INTERVAL '1 us'",
        "detection": "detection || 'x'",
        "verdict": "'innocent'",
        "by": "'somebody else'",
        "note": "coalesce(note, '') || 'x'",
        "verified": "verified IS DISTINCT FROM true",
    },
    "handovers": {
        "id": "id + 1000",
        "hub": "hub || 'x'",
        "drafted": "drafted + INTERVAL '1 us'",
        "drafted_by": "drafted_by || 'x'",
        "drafted_verified": "NOT drafted_verified",
        "facts": "facts || '{\"more\": 1}'",
        "notes": "notes || 'x'",
        "left_by": "left_by || 'x'",
        "left_at": "left_at + INTERVAL '1 us'",
        "left_verified": "NOT left_verified",
        "taken_by": "taken_by || 'x'",
        "taken_at": "taken_at + INTERVAL '1 us'",
        "taken_verified": "NOT taken_verified",
    },
}
_COPY = {
    "incident_journal": "INSERT INTO incident_journal (incident, hub, action, by, verified)"
    " SELECT incident, hub, 'reopened', 'x', true FROM incident_journal LIMIT 1",
    "adjudications": "INSERT INTO adjudications (alarm, detection, verdict, by)"
    " SELECT alarm, detection, 'false', 'x' FROM adjudications LIMIT 1",
    "handovers": "INSERT INTO handovers (hub, drafted, drafted_by, drafted_verified, facts, left_by, left_at,"
    " left_verified, taken_by, taken_at, taken_verified) SELECT hub, drafted, drafted_by, drafted_verified, facts,"
    " left_by, left_at, left_verified, taken_by, taken_at, taken_verified FROM handovers LIMIT 1",
}
_ROWS = {"first": "min", "last": "max"}


def changes() -> dict[str, str]:
    """Return each kind of change by its name: statements of somebody who owns the tables."""
    found: dict[str, str] = {}
    for table, act in _ACTS.items():
        for place, which in _ROWS.items():
            where = f"WHERE id = (SELECT {which}(id) FROM {table})"
            for column, new in _NEW[table].items():
                found[f"{column} of the {place} row of {table}"] = f"UPDATE {table} SET {column} = {new} {where}"
            found[f"the {place} row of {table} removed"] = f"DELETE FROM {table} {where}"
        found[f"two rows of {table} swapped"] = (
            f"UPDATE {table} SET id = -id; UPDATE {table} SET id = (SELECT -min(id) - max(id) FROM {table}) + id"
        )
        found[f"every row of {table} removed"] = f"DELETE FROM {table}"
        found[f"a row of {table} put at the end"] = _COPY[table]
        found[f"what the chain says of a row of {table} removed"] = (
            f"DELETE FROM audit WHERE act = '{act}' AND details @> '{{\"row\": 1}}'"
        )
    found["a handover that both signed is open again"] = (
        "UPDATE handovers SET taken_by = NULL, taken_at = NULL, taken_verified = NULL WHERE id = 1"
    )
    return found
