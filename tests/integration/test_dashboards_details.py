"""What the boards beside the overview show of what is stored, as the reader, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.words import SensorKind
from support.board_reader import (
    BOARDS,
    Grafana,
    as_owner,
    board_json,
    panels,
    portal_birth,
    portal_frame,
    reading,
    silenced,
    watched,
    write,
)
from support.intervals import poisson_interval
from support.role_logins import roles_in
from support.store_examples import event, frame, series

ALARMS = """
INSERT INTO hubwatch.alarms (hub, zone, sensor, type, priority, state, opened, last_active, why)
VALUES ('harbour', 'gate-2', 'rpm-2', 'radiation.gamma', 1, 'unacknowledged', now() - '9m'::interval, now(), 'w'),
    ('harbour', 'office', 'door-3', 'access.held', 3, 'unacknowledged', now() - '8m'::interval, now(), 'w');
INSERT INTO hubwatch.alarm_journal (alarm, at, action, by, to_state)
SELECT id, opened, 'opened', 'hubwatch', 'unacknowledged' FROM hubwatch.alarms;
"""
SITE = """
INSERT INTO hubwatch.site_versions (hub, version, applied_by, note, sha256, file)
VALUES ('harbour', 1, 'kim', '', 'x', '');
INSERT INTO hubwatch.sensor_places (hub, sensor, label, exposure, version)
VALUES ('harbour', 'rpm-2', 'Portal, lane 2', 'indoor', 1);
UPDATE hubwatch.zones SET name = 'Gate 2', criticality = 3 WHERE zone = 'gate-2';
INSERT INTO hubwatch.fence_sections (hub, fence, section, zone, sensor, from_m, to_m, version)
VALUES ('harbour', 1, 1, 'gate-2', 'rpm-2', 0, 80, 1), ('harbour', 1, 2, 'gate-2', 'fence-9', 80, 160, 1);
"""
DETECTIONS = """
INSERT INTO hubwatch.detection
    (id, type, hub, sensor, subject, start, "end", detected, score, priority, detector, version, late, why, evidence)
VALUES ('a', 'access.cloned', 'harbour', 'door-3', 'badge:7F3A', now() - '20m'::interval, now() - '10m'::interval,
    now(), 6, 2, 'badges', 1, false, 'w', '{"false_alarm_budget": {"share_per_day": 0.5}}'),
    ('b', 'access.passback', 'harbour', 'door-3', 'badge:7F3A', now() - '5m'::interval, now() - '4m'::interval,
    now(), 6, 3, 'badges', 1, false, 'w', '{}')
"""

MANY_FOUND = """
INSERT INTO hubwatch.detection (id, type, hub, sensor, start, detected, score, priority, detector, version, late, why)
SELECT 'many ' || n, 'zz.' || n, 'harbour', 'door-3', now() - '9m'::interval, now(), 6, 3, 'x', 1, false, 'w'
FROM generate_series(1, 25) n
"""
EXERCISED = """
INSERT INTO hubwatch.drills (hub, scenario, title, began, ends, by, verified)
VALUES ('harbour', 'x', 'x', now() - '1h'::interval, now() + '1h'::interval, 'kim', true);
INSERT INTO hubwatch.drill_steps (drill, number, detection, due, type, sensor, priority, score, why)
SELECT id, 1, 'x', now(), 'radiation.gamma', 'rpm-2', 1, 6, 'w' FROM hubwatch.drills;
INSERT INTO hubwatch.detection
    (id, type, hub, sensor, start, detected, score, priority, detector, version, late, why, exercise)
SELECT 'x', 'radiation.gamma', 'harbour', 'rpm-2', now() - '112s'::interval, now(), 6, 1, 'rpm', 1, false, 'w', id
FROM hubwatch.drills;
"""


@pytest.fixture
def grafana(migrated_database: str) -> Iterator[Grafana]:
    with reading(migrated_database) as made:
        yield made


async def test_zone_without_a_sensor_that_is_seen_is_blind(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame(age_s=7200))
    as_owner(grafana, ALARMS)
    rows = {row["Zone"]: row for row in grafana.show("Zones", board="zone")}
    assert (rows["gate-2"]["Sight"], rows["gate-2"]["Seen"], rows["gate-2"]["Priority"]) == ("BLIND", "0 of 1", 1)
    assert (rows["office"]["Sight"], rows["office"]["Open alarms"]) == ("seen", 1)


async def test_zones_that_are_not_chosen_are_left_out(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    as_owner(grafana, ALARMS)
    for title, column in (("Zones", "Zone"), ("Open alarms", "Where"), ("Sensors", "Where")):
        shown = {row[column] for row in grafana.show(title, board="zone", zones=("office",))}
        assert len(shown) == 1
        assert shown.pop().startswith("office"), title


async def test_places_are_in_the_words_of_the_site(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    as_owner(grafana, SITE)
    as_owner(grafana, ALARMS)
    assert grafana.show("Open alarms")[0]["Where"] == "Gate 2 · Portal, lane 2"
    many = grafana.show("Open alarms", hubs=("harbour", "airport"))
    assert many[0]["Where"] == "harbour · Gate 2 · Portal, lane 2"
    (query,) = [each["query"] for each in board_json("portals")["templating"]["list"] if each["name"] == "portal"]
    rows = grafana.connection.execute(query.replace("${hub:sqlstring}", "'harbour'").encode()).fetchall()
    assert rows == [{"__value": "rpm-2", "__text": "Gate 2 · Portal, lane 2"}]


async def test_value_that_is_too_old_is_stale_and_bad_is_blind(grafana: Grafana) -> None:
    old = series(now_us() - 7_200_000_000, [412.0], channel="gamma.1")
    bad = series(now_us(), [None], channel="neutron.1", q=[(2, "timeout")])
    good = series(now_us(), [1.0], channel="occupied")
    await write(grafana, portal_birth(), frame(1, series=[old, bad, good]))
    rows = {row["Quantity"]: row for row in grafana.show("Newest values", board="zone")}
    assert [rows[name]["Sight"] for name in ("gamma.1", "neutron.1", "occupied")] == ["STALE", "BLIND", "live"]
    assert (rows["gamma.1"]["Value"], rows["neutron.1"]["Value"]) == ("412 count", None)


async def test_line_of_a_channel_that_is_silent_says_so_in_its_name(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame(age_s=7200))
    rows = grafana.show("Gamma profile", board="portals", hours=3)
    assert {row["metric"] for row in rows} == {"gate-2 · rpm-2 gamma.1 – STALE"}


async def test_vehicle_is_a_row_with_its_highest_counts(grafana: Grafana) -> None:
    t0 = now_us() - 120_000_000
    seconds = [i * 1_000_000 for i in range(60)]
    occupied = series(t0, [float(20 <= i < 40) for i in range(60)], channel="occupied", dt=seconds)
    gamma = series(t0, [400.0 + 500 * (i == 30) for i in range(60)], channel="gamma.1", dt=seconds)
    await write(grafana, portal_birth(), frame(1, series=[occupied, gamma]))
    watched(grafana)
    (row,) = grafana.show("Occupancies", board="portals")
    assert (row["Stood"], row["Gamma"], row["Neutron"], row["Found"]) == (20, 900, None, "no finding")


async def test_zones_to_choose_are_those_of_the_site_of_alarms_and_none(grafana: Grafana) -> None:
    await write(grafana, portal_birth())
    as_owner(grafana, ALARMS)
    as_owner(grafana, "UPDATE hubwatch.alarms SET zone = 'quay' WHERE zone = 'office'")
    as_owner(grafana, "UPDATE hubwatch.sensors SET zone = NULL WHERE sensor = 'rpm-2'")
    (query,) = [each["query"] for each in board_json("zone")["templating"]["list"] if each["name"] == "zone"]
    assert {row["__value"] for row in grafana.ask(query)} == {"quay", "gate-2", "office", "–"}


@pytest.mark.parametrize(
    ("board", "title", "sensor"), [("portals", "Open alarms", "rpm-2"), ("access", "Open alarms", "door-3")]
)
async def test_alarm_of_another_type_at_a_portal_or_door_is_on_its_board(
    grafana: Grafana, board: str, title: str, sensor: str
) -> None:
    await write(grafana, portal_birth(), portal_frame())
    as_owner(grafana, ALARMS)
    as_owner(grafana, "UPDATE hubwatch.alarms SET type = 'integrity.spoofed'")
    (row,) = grafana.show(title, board=board)
    assert (row["What"], row["Where"].split(" · ")[1]) == ("integrity.spoofed", sensor)


async def test_agents_own_figures_are_no_equipment(grafana: Grafana) -> None:
    own = wire.Sensor(
        sensor="gate-7", kind=SensorKind.PROCESS, zone="", channels=[wire.Channel(name="disk_free", unit="%")]
    )
    await write(grafana, portal_birth(inventory=[own]))
    (query,) = [each["query"] for each in board_json("equipment")["templating"]["list"] if each["name"] == "equipment"]
    assert grafana.ask(query) == []
    assert {row["metric"] for row in grafana.show("Course", board="equipment", sensors=("gate-7",))} == {
        "no such sensor yet"
    }


async def test_chart_that_is_cut_says_how_many_more(grafana: Grafana) -> None:
    channels = [wire.Channel(name=f"motor.{n}", unit="A") for n in range(64)]
    crane = wire.Sensor(sensor="crane-1", kind=SensorKind.PROCESS, zone="quay", channels=channels)
    await write(grafana, portal_birth(inventory=[crane]))
    rows = grafana.show("Course", board="equipment", sensors=("crane-1",))
    assert [(row["metric"], row["value"]) for row in rows] == [("4 more: choose fewer", None)]


async def test_bands_are_as_many_as_a_page_and_the_most_urgent_is_first(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    as_owner(grafana, DETECTIONS)
    as_owner(grafana, MANY_FOUND)
    rows = grafana.show("Detections")
    first = [row["metric"] for row in rows if row["time"] == rows[0]["time"]]
    assert (len(first), first[0]) == (20, "access.cloned · office · door-3")
    found = [row["time"] for row in rows if row["metric"] == first[0] and row["value"] == 2]
    assert (max(found) - min(found)).total_seconds() == pytest.approx(600, abs=60)


async def test_events_beyond_a_bound_are_not_counted(grafana: Grafana) -> None:
    denied = [event("access.denied", sensor="door-3", subject=f"badge:{n}") for n in range(2250)]
    await write(grafana, portal_birth(), frame(1, events=denied))
    shown = grafana.show("Doors", board="access")
    assert (len(shown), shown[-1]["Where"]) == (201, "over 2000 more: choose a shorter time range")


async def test_commands_are_found_by_an_index_of_their_own(grafana: Grafana) -> None:
    denied = [event("access.denied", sensor="door-3", subject=f"badge:{n}") for n in range(2000)]
    await write(grafana, portal_birth(), frame(1, events=[*denied, event("command.executed", sensor="door-3")]))
    as_owner(grafana, "ANALYZE")
    (mark,) = board_json("devices")["annotations"]["list"]
    (row,) = grafana.ask("EXPLAIN (FORMAT JSON) " + mark["target"]["rawSql"])
    # Only that index holds no other types, so that none has to be left out.
    assert "level_journal" in str(row["QUERY PLAN"])
    assert "command.refused" not in str(row["QUERY PLAN"])


async def test_nothing_found_of_a_vehicle_is_not_known_while_nobody_judges_and_exercises_are_marked(
    grafana: Grafana,
) -> None:
    t0 = now_us() - 120_000_000
    occupied = series(t0, [0.0, 1.0, 1.0, 0.0], channel="occupied", dt=[i * 5_000_000 for i in range(4)])
    await write(grafana, portal_birth(), frame(1, series=[occupied]))
    assert grafana.show("Occupancies", board="portals")[0]["Found"] == "NOT KNOWN: it is not sure that data is judged"
    watched(grafana)
    as_owner(grafana, EXERCISED)
    (row,) = grafana.show("Occupancies", board="portals")
    assert row["Found"] == "no finding, EXERCISE: radiation.gamma"


async def test_values_of_an_agent_that_is_silent_are_blind(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    silenced(grafana)
    assert {row["Sight"] for row in grafana.show("Newest values", board="zone")} == {"BLIND"}


async def test_sensor_without_a_limit_of_its_own_becomes_silent(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame(age_s=7200))
    as_owner(grafana, "UPDATE hubwatch.sensors SET max_age_s = NULL")
    assert {row["Sight"] for row in grafana.show("Newest values", board="zone")} == {"STALE"}
    assert grafana.number("Sensors blind") == 1


async def test_people_are_shown_by_pseudonym_with_what_was_found(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    as_owner(grafana, DETECTIONS)
    assert "badge:7F3A" not in {
        row["Pseudonym"] for row in grafana.show("Unusual people", board="access", zones=("gate-2",))
    }
    (row,) = grafana.show("Unusual people", board="access")
    assert (row["Priority"], row["Pseudonym"], row["Times"]) == (2, "badge:7F3A", 2)
    assert row["Found"] == "access.cloned, access.passback"


async def test_denials_are_counted_by_type(grafana: Grafana) -> None:
    denied = [event("access.denied", sensor="door-3", subject=f"badge:{n}") for n in range(3)]
    await write(grafana, portal_birth(), frame(1, events=[*denied, event("access.granted", sensor="door-3")]))
    rows = grafana.show("Denied, held, forced", board="access")
    assert {row["metric"] for row in rows} == {"access.denied"}
    assert sum(row["value"] for row in rows) == 3
    others = grafana.show("Denied, held, forced", board="access", zones=("gate-2",))
    assert [(row["metric"].split(",")[0], row["value"]) for row in others] == [("no event", 0)]


async def test_section_that_nobody_installed_is_blind(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    as_owner(grafana, SITE)
    rows = grafana.show("Sections", board="perimeter")
    assert [(row["From – to"], row["Sight"]) for row in rows] == [("0–80 m", "seen"), ("80–160 m", "BLIND")]


async def test_agent_is_heard_until_it_is_silent(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    (row,) = grafana.show("Agents", board="devices")
    assert (row["State"], row["Sensors"], row["Missing frames"]) == ("heard", 2, 0)
    assert 0 <= row["Latency"] < 60
    silenced(grafana)
    assert grafana.show("Agents", board="devices")[0]["State"] == "SILENT"


async def test_figures_and_rates_of_alarms_are_those_of_the_journal(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    as_owner(grafana, ALARMS)
    figures = {row["Figure"]: row for row in grafana.show("Figures of IEC 62682", board="alarm-performance")}
    assert (figures["alarms an hour"]["Value"], figures["alarms an hour"]["Judgement"]) == ("0.1", "within")
    assert figures["acknowledged within, median"]["Judgement"] == "not judged"
    rate = grafana.show("Alarms in ten minutes", board="alarm-performance")
    assert sum(row["value"] for row in rate) == 2
    frequent = grafana.show("Most frequent", board="alarm-performance")
    assert [(row["Presented"], row["Share"]) for row in frequent] == [(1, 0.5), (1, 0.5)]


JUDGED = """
INSERT INTO hubwatch.alarm_detection (alarm, detection, ended)
SELECT a.id, 'a', true FROM hubwatch.alarms a WHERE a.type = 'access.held';
INSERT INTO hubwatch.adjudications (alarm, detection, verdict, by)
SELECT a.id, 'a', 'false', 'kim' FROM hubwatch.alarms a WHERE a.type = 'access.held';
UPDATE hubwatch.alarms SET type = 'access.cloned' WHERE type = 'access.held';
INSERT INTO hubwatch.epoch (hub, agent, epoch) VALUES ('harbour', 'gate-8', 'F');
INSERT INTO hubwatch.frame_range SELECT max(id), 1, 9, 9, 0, now() - INTERVAL '2 days', now() FROM hubwatch.epoch;
"""


async def test_achieved_rate_stands_beside_the_budget_with_its_interval(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    for statement in (ALARMS, DETECTIONS, JUDGED):
        as_owner(grafana, statement)
    (row,) = grafana.show("False-alarm rates", board="detector-performance", hours=24 * 30)
    assert (row["Detector"], row["Type"], row["Alarms"], row["False"]) == ("badges", "access.cloned", 1, 1)
    assert (row["Watched days"], row["False a day"]) == (pytest.approx(2, rel=0.01), pytest.approx(0.5, rel=0.01))
    low, high = poisson_interval(1)
    assert (row["Low"], row["High"]) == (pytest.approx(low / 2, rel=0.02), pytest.approx(high / 2, rel=0.02))
    assert (row["Allowed"], row["Judgement"]) == (0.5, "not enough days")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 10, 100])
def test_interval_of_a_rate_is_that_of_a_poisson_count(grafana: Grafana, count: int) -> None:
    asked = f"SELECT hubwatch.board_poisson_low({count}) AS low, hubwatch.board_poisson_high({count}) AS high"
    row = grafana.connection.execute(asked.encode()).fetchone()
    assert row is not None
    low, high = poisson_interval(count)
    assert (row["low"], row["high"]) == (pytest.approx(low, rel=0.01), pytest.approx(high, rel=0.01))


async def test_hubs_stand_side_by_side_the_one_that_is_not_watched_first(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    watched(grafana)
    as_owner(grafana, "INSERT INTO hubwatch.hubs (hub, security_level) VALUES ('airport', 3)")
    rows = grafana.show("Hubs", board="regional", hubs=("harbour", "airport"))
    shown = [(row["Hub"], row["Watched"], row["Level"], row["Blind"]) for row in rows]
    assert shown == [("airport", "NOT SURE", 3, "without sensor"), ("harbour", "yes", 1, "0 of 2")]


async def test_first_row_says_what_works_and_since_when_it_does_not(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    watched(grafana)
    rows = grafana.show("Is it being watched?")
    assert [row["Watching"] for row in rows] == [
        "data is stored", "data is judged", "alarms are made", "people are told",
    ]  # fmt: skip
    assert [(row["Works"], row["Not at"]) for row in rows] == [("yes", None)] * 4
    grafana.goes_on[-1] += "; UPDATE hubwatch.process_owner SET beaten = now() - INTERVAL '20 s' WHERE kind = 'alarms'"
    silenced(grafana)
    rows = grafana.show("Is it being watched?")
    assert [(row["Works"], row["Not at"]) for row in rows] == [
        ("NOT SURE", "harbour"), ("yes", None), ("NOT SURE", "harbour"), ("NOT SURE", "harbour"),
    ]  # fmt: skip


async def test_finding_of_which_no_alarm_is_made_is_said(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    watched(grafana)
    as_owner(grafana, DETECTIONS)
    as_owner(grafana, "UPDATE hubwatch.alarm_inbox SET came = now() - INTERVAL '11 s'")
    rows = {row["Watching"]: row["Works"] for row in grafana.show("Is it being watched?")}
    assert (rows["data is judged"], rows["alarms are made"]) == ("yes", "NOT SURE")


async def test_marks_are_alarms_commands_and_levels(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), frame(1, events=[event("command.executed", sensor="door-3")]))
    as_owner(grafana, ALARMS)
    as_owner(
        grafana,
        "INSERT INTO hubwatch.level_journal (hub, level, former, by, note) VALUES ('harbour', 2, 1, 'kim', 'x')",
    )
    for board in BOARDS:
        (mark,) = board_json(board)["annotations"]["list"]
        rows = grafana.ask(mark["target"]["rawSql"])
        assert sorted(row["tags"] for row in rows) == ["alarm", "alarm", "command", "level"]


def _scans(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield str(plan["Relation Name"])
    for each in plan.get("Plans", []):
        yield from _scans(each)


def _called(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Function Scan":
        yield str(plan["Function Name"])
    for each in plan.get("Plans", []):
        yield from _called(each)


FOLDED = """
INSERT INTO hubwatch.channels (sensor_id, hub, sensor, channel, unit, kind)
SELECT s.id, s.hub, s.sensor, 'other.' || n, '1', 'gauge'
FROM hubwatch.sensors s CROSS JOIN generate_series(1, 100) n WHERE s.sensor = 'rpm-2';
SELECT hubwatch.ensure_partitions('reading_1m', ARRAY[now() - INTERVAL '1 day', now()]);
INSERT INTO hubwatch.reading_1m (channel_id, bucket, n, n_good, avg, min, max, last)
SELECT c.id, date_trunc('minute', now()) - n * INTERVAL '1 min', 1, 1, 1, 1, 1, 1
FROM hubwatch.channels c CROSS JOIN generate_series(61, 720) n;
INSERT INTO hubwatch.reading_1h (channel_id, bucket, n, n_good, avg, min, max, last)
SELECT c.id, date_trunc('hour', now()) - n * INTERVAL '1 hour', 1, 1, 1, 1, 1, 1
FROM hubwatch.channels c CROSS JOIN generate_series(1, 720) n;
"""


@pytest.mark.parametrize("hours", [1, 12, 24 * 30])
async def test_no_panel_reads_all_readings(grafana: Grafana, hours: int) -> None:
    seconds = [i * 700_000 for i in range(5000)]
    begin = now_us() - 3_600_000_000
    values = [series(begin, [1.0] * 5000, channel=name, dt=seconds) for name in ("gamma.1", "neutron.1")]
    await write(grafana, portal_birth(), frame(1, series=values))
    as_owner(grafana, FOLDED)
    as_owner(grafana, "ANALYZE")
    for board, title, ref_id in panels():
        plan = grafana.plan(title, ref_id, board=board, hours=hours, interval=timedelta(seconds=hours * 5))
        read = {name for name in _scans(plan) if name.startswith(("reading", "_hyper"))}
        assert read == set(), (board, title)
        # A function that is called is planned without the hubs and times that were chosen.
        assert set(_called(plan)) <= {"rollup", "board_work", "generate_series", "unnest"}, (board, title)


async def test_reader_of_another_hub_is_told_nothing_by_any_board(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame(1), portal_frame(4))
    for statement in (ALARMS, SITE, DETECTIONS):
        as_owner(grafana, statement)
    info = grafana.connection.info
    dsn = f"host={info.host} port={info.port} user={info.user} dbname={info.dbname}"
    with roles_in(dsn) as logins:
        for hub, seen in (("elsewhere", False), ("harbour", True)):
            with psycopg.connect(logins.reader(hub, hub), row_factory=dict_row, autocommit=True) as connection:
                reader = Grafana(connection)
                reader.goes_on = []
                assert len(reader.show("Open alarms")) == (2 if seen else 1)
                for board, title, ref_id in panels():
                    rows = reader.show(title, ref_id, board=board)
                    texts = {each for row in rows for each in row.values() if isinstance(each, str) and each}
                    assert seen or texts == {"no hub yet"} or all(text.startswith("as of") for text in texts), title


def test_reader_cannot_see_the_tables_behind_the_work(grafana: Grafana) -> None:
    for table in ("process_owner", "alarm_inbox", "detector_journal", "notification_outbox"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            grafana.connection.execute(f"SELECT * FROM hubwatch.{table}".encode())
