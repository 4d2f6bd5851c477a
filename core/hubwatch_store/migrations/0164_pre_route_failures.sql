-- The routes on which nothing gets through, each with the detection that says so: it ends when the route delivers again.
CREATE TABLE hubwatch.route_failures (
    route text PRIMARY KEY,
    detection text NOT NULL UNIQUE,
    since timestamptz NOT NULL,
    -- The last attempt that was known then: what is delivered after it ends the failure, whatever the clock says.
    after bigint NOT NULL
);

-- What each route did last; asked for every second.
CREATE INDEX notifications_of_route ON hubwatch.notifications (split_part(route, '/', 1), id);
CREATE INDEX notifications_delivered ON hubwatch.notifications (split_part(route, '/', 1), id)
    WHERE outcome = 'delivered';
