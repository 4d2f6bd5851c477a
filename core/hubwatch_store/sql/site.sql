-- lock: lets one process at a time change the site of any hub; it ends with the transaction
SELECT hubwatch.lock_site();

-- hub: what the site says of the hub itself
INSERT INTO hubwatch.hubs (hub, name, mode) VALUES (%(hub)s, %(name)s, %(mode)s)
ON CONFLICT (hub) DO UPDATE SET name = excluded.name, mode = excluded.mode;

-- in_force: the version in force and its file
SELECT version, applied, applied_by, note, sha256, file FROM hubwatch.site_versions
WHERE hub = %(hub)s ORDER BY version DESC LIMIT 1;

-- one: one version and its file
SELECT version, applied, applied_by, note, sha256, file FROM hubwatch.site_versions
WHERE hub = %(hub)s AND version = %(version)s;

-- history: every version, the newest first, without the files
SELECT version, applied, applied_by, note, sha256, '' AS file FROM hubwatch.site_versions
WHERE hub = %(hub)s ORDER BY version DESC;

-- add: keeps a file as the version that is in force from now on
INSERT INTO hubwatch.site_versions (hub, version, applied_by, note, sha256, file)
VALUES (%(hub)s, %(version)s, %(by)s, %(note)s, %(sha256)s, %(file)s);

-- hubs: every hub that is known
SELECT hub FROM hubwatch.hubs ORDER BY hub;

-- announced: the sensors that agents of a hub have announced
SELECT sensor, kind, zone FROM hubwatch.sensors WHERE hub = %(hub)s AND agent IS NOT NULL AND gone IS NULL ORDER BY sensor;

-- forget_zones: takes from zones what a site said of them that says it no longer
UPDATE hubwatch.zones SET name = NULL, criticality = 1, outline = NULL, version = NULL
WHERE hub = %(hub)s AND version IS NOT NULL AND zone <> ALL(%(zones)s::text[]);

-- zones: what a site says of a zone
INSERT INTO hubwatch.zones AS z (hub, zone, name, criticality, outline, version)
VALUES (%(hub)s, %(zone)s, %(name)s, %(criticality)s, %(outline)s::jsonb, %(version)s)
ON CONFLICT (hub, zone) DO UPDATE
SET name = excluded.name, criticality = excluded.criticality, outline = excluded.outline, version = excluded.version
WHERE z.version IS NULL OR (z.name, z.criticality, z.outline) IS DISTINCT FROM
    (excluded.name, excluded.criticality, excluded.outline);

-- tell: tells whoever listens that the site of a hub is another
SELECT pg_notify('hubwatch_site', %(hub)s);

-- standing: the numbers of the site and of the list of cardholders in force, and the level, of some hubs or of all
SELECT h.hub, coalesce((SELECT max(s.version) FROM hubwatch.site_versions s WHERE s.hub = h.hub), 0),
    coalesce((SELECT max(c.version) FROM hubwatch.cardholder_imports c WHERE c.hub = h.hub), 0), h.security_level
FROM hubwatch.hubs h WHERE %(hubs)s::text[] IS NULL OR h.hub = ANY(%(hubs)s::text[]);

-- up_to: the newest version up to a number, and its file
SELECT version, file FROM hubwatch.site_versions
WHERE hub = %(hub)s AND version <= %(version)s ORDER BY version DESC LIMIT 1;
