-- lock: lets one process at a time import cardholders, of any hub; it ends with the transaction
SELECT hubwatch.lock_cardholders();

-- hub: whether a hub is known
SELECT hub FROM hubwatch.hubs WHERE hub = %(hub)s;

-- zones: the zones of a hub
SELECT zone FROM hubwatch.zones WHERE hub = %(hub)s;

-- shifts: the shifts of a hub's site
SELECT shift FROM hubwatch.shifts WHERE hub = %(hub)s;

-- last: the number of the last import
SELECT coalesce(max(version), 0) FROM hubwatch.cardholder_imports WHERE hub = %(hub)s;

-- copied: takes the list for as long as the transaction lasts
CREATE TEMPORARY TABLE imported (
    subject text PRIMARY KEY, home_zone text, shift text, on_call boolean, clearance integer, valid_from timestamptz,
    valid_to timestamptz, name text
) ON COMMIT DROP;

-- add: notes an import in the journal
INSERT INTO hubwatch.cardholder_imports
    (hub, version, imported_by, note, cardholders, written, removed, with_names)
SELECT %(hub)s, %(version)s, %(by)s, %(note)s, (SELECT count(*) FROM imported),
    (SELECT count(*) FROM imported i WHERE NOT EXISTS (SELECT FROM hubwatch.cardholders c
        WHERE c.hub = %(hub)s AND c.subject = i.subject
            AND (c.home_zone, c.shift, c.on_call, c.clearance, c.valid_from, c.valid_to)
                IS NOT DISTINCT FROM (i.home_zone, i.shift, i.on_call, i.clearance, i.valid_from, i.valid_to))),
    (SELECT count(*) FROM hubwatch.cardholders c
        WHERE c.hub = %(hub)s AND NOT EXISTS (SELECT FROM imported i WHERE i.subject = c.subject)),
    %(with_names)s
RETURNING cardholders, written, removed;

-- remove: takes away who is no longer on the list
DELETE FROM hubwatch.cardholders c
WHERE c.hub = %(hub)s AND NOT EXISTS (SELECT FROM imported i WHERE i.subject = c.subject);

-- write: adds who is new or another; who was there before keeps the version that brought him
INSERT INTO hubwatch.cardholders AS c
    (hub, subject, home_zone, shift, on_call, clearance, valid_from, valid_to, version)
SELECT %(hub)s, subject, home_zone, shift, on_call, clearance, valid_from, valid_to, %(version)s FROM imported
ON CONFLICT (hub, subject) DO UPDATE
SET home_zone = excluded.home_zone, shift = excluded.shift, on_call = excluded.on_call, clearance = excluded.clearance,
    valid_from = excluded.valid_from, valid_to = excluded.valid_to, version = excluded.version
WHERE (c.home_zone, c.shift, c.on_call, c.clearance, c.valid_from, c.valid_to) IS DISTINCT FROM
    (excluded.home_zone, excluded.shift, excluded.on_call, excluded.clearance, excluded.valid_from, excluded.valid_to);

-- forget_names: takes away every name of a hub
DELETE FROM hubwatch.cardholder_names WHERE hub = %(hub)s;

-- names: adds the names of a list
INSERT INTO hubwatch.cardholder_names (hub, subject, name) SELECT %(hub)s, subject, name FROM imported WHERE name IS NOT NULL;

-- people: everybody with a badge at a hub
SELECT subject, home_zone, shift, on_call, clearance, (extract(epoch FROM valid_from) * 1000000)::bigint,
    (extract(epoch FROM valid_to) * 1000000)::bigint
FROM hubwatch.cardholders WHERE hub = %(hub)s;

-- count: how many cardholders a hub has
SELECT count(*) FROM hubwatch.cardholders WHERE hub = %(hub)s;
