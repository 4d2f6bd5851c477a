-- marks: every stored good value of one channel, with how often it is stored
SELECT value::bigint, count(*)
FROM hubwatch.readings
WHERE hub = %(hub)s AND sensor = %(sensor)s AND channel = %(channel)s AND value IS NOT NULL
GROUP BY 1

-- values: every stored good value of one channel, as it is, in order
SELECT value
FROM hubwatch.readings
WHERE hub = %(hub)s AND sensor = %(sensor)s AND channel = %(channel)s AND value IS NOT NULL
ORDER BY time

-- badge_events: the device's own number of every stored badge event
SELECT (attrs ->> 'event_id')::bigint, count(*)
FROM hubwatch.events
WHERE hub = %(hub)s AND type IN ('access.granted', 'access.denied')
GROUP BY 1

-- totals: how much is stored
SELECT
    (SELECT count(*) FROM hubwatch.readings WHERE hub = %(hub)s),
    (SELECT count(*) FROM hubwatch.events WHERE hub = %(hub)s),
    (SELECT count(*) FROM hubwatch.frames WHERE hub = %(hub)s),
    (SELECT count(*) FROM hubwatch.ledger_gaps WHERE hub = %(hub)s AND cause = 'unexplained')

-- stored_when: the mark, its reading's time and its frame's commit, of one portal's live readings
SELECT r.value::bigint, extract(epoch FROM r.time)::double precision, extract(epoch FROM f.committed)::double precision
FROM hubwatch.readings r
CROSS JOIN LATERAL (
    SELECT committed FROM hubwatch.frames
    WHERE hub = r.hub AND agent = %(agent)s AND sent >= r.time AND NOT late
    ORDER BY sent LIMIT 1
) f
WHERE r.hub = %(hub)s AND r.sensor = %(sensor)s AND r.channel = 'elapsed' AND r.value IS NOT NULL
ORDER BY r.time

-- detections: what was found
SELECT type, sensor, start, extract(epoch FROM detected - start)::double precision
FROM hubwatch.detections WHERE hub = %(hub)s AND detected <= to_timestamp(%(until)s) ORDER BY detected

-- alarms: what people were shown, and when
SELECT a.id, a.type, a.sensor, a.state, a.priority, a.why, extract(epoch FROM j.at)::double precision
FROM hubwatch.alarms a
JOIN LATERAL (SELECT at FROM hubwatch.alarm_journal WHERE alarm = a.id ORDER BY id LIMIT 1) j ON true
WHERE a.hub = %(hub)s AND j.at <= to_timestamp(%(until)s) ORDER BY a.id

-- contact_alarms: when each fence contact was seen closed, and when that stood in an alarm's journal
SELECT d.sensor, extract(epoch FROM d.start)::double precision, extract(epoch FROM j.at)::double precision
FROM hubwatch.alarm_journal j
JOIN hubwatch.detections d ON d.id = j.detection
WHERE d.hub = %(hub)s AND d.type = 'perimeter.intrusion' AND NOT d.late
    AND j.action IN ('opened', 'repeated', 'recurred')

-- good_of_channels: how many good values each channel of a sensor has stored
SELECT channel, count(value) FROM hubwatch.readings WHERE hub = %(hub)s AND sensor = %(sensor)s GROUP BY channel

-- ready: the sensors from which a good reading is stored
SELECT DISTINCT sensor FROM hubwatch.readings WHERE hub = %(hub)s AND quality = 0

-- behind: how many frames each agent has sent, by the highest number stored, and how many of them are stored
SELECT agent, max(seq), count(*) FROM hubwatch.frames WHERE hub = %(hub)s GROUP BY agent

-- pulse: readings stored so far, and the milliseconds from sent to stored of the newest frames
SELECT
    (SELECT coalesce(sum(readings), 0) FROM hubwatch.frames WHERE hub = %(hub)s),
    (SELECT coalesce(avg(extract(epoch FROM committed - sent)) * 1000, 0)
     FROM (SELECT committed, sent FROM hubwatch.frames WHERE hub = %(hub)s AND NOT late
           ORDER BY sent DESC LIMIT 20) newest)

-- agents: who is there
SELECT agent, state FROM hubwatch.agents WHERE hub = %(hub)s ORDER BY agent
