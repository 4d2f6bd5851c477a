-- The site of each hub: what stands where. Rows come from the file that was applied last and carry the version that
-- brought them; the files themselves, with who applied them and why, are in site_versions.

CREATE TABLE hubwatch.site_versions (
    hub text NOT NULL REFERENCES hubwatch.hubs (hub),
    version integer NOT NULL CHECK (version > 0),
    applied timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL,
    note text NOT NULL,
    sha256 text NOT NULL,
    file text NOT NULL,
    PRIMARY KEY (hub, version)
);

UPDATE hubwatch.zones SET criticality = 1 WHERE criticality IS NULL;
ALTER TABLE hubwatch.zones
    ALTER COLUMN criticality SET DEFAULT 1,
    ALTER COLUMN criticality SET NOT NULL,
    ADD CONSTRAINT zones_criticality CHECK (criticality BETWEEN 1 AND 3),
    ADD COLUMN outline jsonb,
    -- The version of the site that says so; NULL where only agents name the zone.
    ADD COLUMN version integer;

-- Each way in one direction; metres where they are what the file says.
CREATE TABLE hubwatch.zone_paths (
    hub text NOT NULL,
    from_zone text NOT NULL,
    to_zone text NOT NULL,
    seconds double precision,
    metres double precision,
    version integer NOT NULL,
    PRIMARY KEY (hub, from_zone, to_zone)
);

CREATE TABLE hubwatch.doors (
    hub text NOT NULL,
    sensor text NOT NULL,
    from_zone text NOT NULL,
    to_zone text NOT NULL,
    reader_in text,
    reader_out text,
    one_person boolean NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (hub, sensor)
);

-- Stretches along each line, in order; fences are numbered from the outermost.
CREATE TABLE hubwatch.fence_sections (
    hub text NOT NULL,
    fence integer NOT NULL,
    section integer NOT NULL,
    zone text NOT NULL,
    sensor text NOT NULL,
    from_m double precision NOT NULL,
    to_m double precision NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (hub, fence, section)
);

-- What an intruder meets behind a line; without from_m and to_m it is behind the whole of it.
CREATE TABLE hubwatch.fence_behind (
    hub text NOT NULL,
    fence integer NOT NULL,
    sensor text NOT NULL,
    metres double precision NOT NULL,
    from_m double precision,
    to_m double precision,
    version integer NOT NULL,
    PRIMARY KEY (hub, fence, sensor)
);

CREATE TABLE hubwatch.lanes (
    hub text NOT NULL,
    lane text NOT NULL,
    class text NOT NULL CHECK (class IN ('general', 'trusted')),
    version integer NOT NULL,
    PRIMARY KEY (hub, lane)
);

CREATE TABLE hubwatch.lane_steps (
    hub text NOT NULL,
    lane text NOT NULL,
    step integer NOT NULL,
    sensor text NOT NULL,
    within_s double precision,
    share double precision NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (hub, lane, step)
);

CREATE TABLE hubwatch.sensor_places (
    hub text NOT NULL,
    sensor text NOT NULL,
    label text,
    x_m double precision,
    y_m double precision,
    distance_m double precision,
    exposure text NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (hub, sensor)
);

CREATE TABLE hubwatch.cameras (
    hub text NOT NULL,
    camera text NOT NULL,
    covers text[] NOT NULL,
    page text NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (hub, camera)
);

-- Between zones that no path joins, also of other hubs, in one direction.
CREATE TABLE hubwatch.zone_travel (
    hub text NOT NULL,
    from_hub text NOT NULL,
    from_zone text NOT NULL,
    to_hub text NOT NULL,
    to_zone text NOT NULL,
    seconds double precision NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (hub, from_hub, from_zone, to_hub, to_zone)
);

CREATE TABLE hubwatch.shifts (
    hub text NOT NULL,
    shift text NOT NULL,
    days integer[] NOT NULL,
    begins time NOT NULL,
    ends time NOT NULL,
    time_zone text NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (hub, shift)
);
