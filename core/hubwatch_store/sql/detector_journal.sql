-- load: what was taken since the last snapshots, of some hubs or of all, in order
SELECT hub, version, entries, id FROM hubwatch.detector_journal
WHERE %(hubs)s::text[] IS NULL OR hub = ANY (%(hubs)s::text[]) ORDER BY id;

-- add: store what was taken
INSERT INTO hubwatch.detector_journal (hub, version, entries) VALUES (%(hub)s, %(version)s, %(entries)b) RETURNING id;

-- drop: remove what a snapshot holds
DELETE FROM hubwatch.detector_journal WHERE hub = %(hub)s AND id <= %(until)s;
