-- lock: the level of a hub as it stands; no other act at that hub until the transaction ends
SELECT security_level FROM hubwatch.hubs WHERE hub = %(hub)s FOR NO KEY UPDATE;

-- add: an act of somebody
INSERT INTO hubwatch.level_journal (hub, level, former, by, note, until)
VALUES (%(hub)s, %(level)s, %(former)s, %(by)s, %(note)s, %(until)s);

-- put: what follows from the acts so far stands at the hub
UPDATE hubwatch.hubs SET security_level = %(level)s WHERE hub = %(hub)s;

-- due: the hubs where an act has ended and no entry says so: the first such act, and the level that is in force now.
-- What a later act without an end has replaced does not end any more.
SELECT h.hub, coalesce(
    (SELECT j.level FROM hubwatch.level_journal j
        WHERE j.hub = h.hub AND j.ends IS NULL AND (j.until IS NULL OR j.until > now()) ORDER BY j.id DESC LIMIT 1),
    (SELECT j.former FROM hubwatch.level_journal j WHERE j.hub = h.hub AND j.ends IS NULL ORDER BY j.id LIMIT 1)
) AS level, h.security_level, e.id, e.level AS ended
FROM hubwatch.hubs h
JOIN LATERAL (SELECT j.id, j.level FROM hubwatch.level_journal j
    WHERE j.hub = h.hub AND j.ends IS NULL AND j.until <= now()
        AND NOT EXISTS (SELECT FROM hubwatch.level_journal k WHERE k.ends = j.id)
        AND NOT EXISTS (SELECT FROM hubwatch.level_journal k
            WHERE k.hub = h.hub AND k.id > j.id AND k.ends IS NULL AND k.until IS NULL)
    ORDER BY j.until, j.id LIMIT 1) e ON true
WHERE %(hub)s::text IS NULL OR h.hub = %(hub)s::text;

-- end: notes that an act has ended by itself
INSERT INTO hubwatch.level_journal (hub, level, former, by, note, ends)
VALUES (%(hub)s, %(level)s, %(former)s, %(by)s, %(note)s, %(ends)s);

-- standing: the level of each hub, or of one, and the act that set it
SELECT h.hub, h.security_level, j.at, j.by, j.note, j.until
FROM hubwatch.hubs h LEFT JOIN LATERAL (SELECT * FROM hubwatch.level_journal j
    WHERE j.hub = h.hub AND (j.until IS NULL OR j.until > now()) ORDER BY j.id DESC LIMIT 1) j ON true
WHERE %(hub)s::text IS NULL OR h.hub = %(hub)s::text ORDER BY h.hub;

-- history: every change at a hub, the newest first
SELECT at, level, former, by, note, until FROM hubwatch.level_journal WHERE hub = %(hub)s ORDER BY id DESC LIMIT %(most)s;

-- scales: what each level scales
SELECT what, meaning, array_agg(value ORDER BY level) FROM hubwatch.level_scales GROUP BY what, meaning ORDER BY what;
