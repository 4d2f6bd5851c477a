-- level: the security level of a hub, the change with which it began, and which list is shown at it
SELECT h.security_level AS level,
    (SELECT max(j.id) FROM hubwatch.level_journal j WHERE j.hub = h.hub AND j.level <> j.former) AS began,
    coalesce((SELECT s.value FROM hubwatch.level_scales s WHERE s.what = 'checklist' AND s.level = h.security_level),
        h.security_level)::int AS list
FROM hubwatch.hubs h WHERE h.hub = %(hub)s;

-- ticks: what was said last of each item since the level began
SELECT DISTINCT ON (item) item, text, done, by, verified, at, note FROM hubwatch.checklist_journal
WHERE hub = %(hub)s AND began IS NOT DISTINCT FROM %(began)s::bigint ORDER BY item, id DESC;

-- add: somebody ticks an item, or takes the tick away
INSERT INTO hubwatch.checklist_journal (hub, began, level, item, text, done, by, verified, note)
VALUES (%(hub)s, %(began)s, %(level)s, %(item)s, %(text)s, %(done)s, %(by)s, %(verified)s, %(note)s);
