"""Every query of the generated boards runs on the real schema, as the user Grafana has, and shows what it should."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from hubwatch_core.clock import now_us
from hubwatch_store.ingest import Departure, Letter, State
from support.board_reader import (
    COARSE,
    FINE,
    Grafana,
    as_owner,
    board_json,
    fenced_birth,
    panels,
    portal_birth,
    portal_frame,
    reading,
    silenced,
    watched,
    write,
)
from support.store_examples import event, frame, series

ALARMS = """
INSERT INTO hubwatch.alarms
    (hub, zone, sensor, type, priority, state, opened, last_active, why, acknowledged_by)
VALUES
    ('harbour', 'fence', 'fence-1', 'perimeter.intrusion', 2, 'unacknowledged', now() - '9m'::interval, now(), '', ''),
    ('harbour', 'gate-2', 'rpm-2', 'radiation.gamma', 1, 'acknowledged', now() - '8m'::interval, now(), '', 'Jansen'),
    ('harbour', 'gate-2', 'rpm-2', 'radiation.neutron', 1, 'unacknowledged', now(), now(), 'w', NULL),
    ('airport', 'gate-1', 'rpm-9', 'radiation.gamma', 1, 'unacknowledged', now(), now(), 'w', NULL)
"""
SET_ASIDE = """
UPDATE hubwatch.alarms SET state = 'shelved', shelved_until = now() + '1h'::interval WHERE sensor = 'fence-1';
INSERT INTO hubwatch.alarm_journal (alarm, at, action, by, from_state, to_state, note)
SELECT id, now(), 'shelved', 'kim', 'unacknowledged', 'shelved', 'until noon: wind' FROM hubwatch.alarms
WHERE sensor = 'fence-1';
INSERT INTO hubwatch.alarm_suppression
    (kind, hub, zone, sensor, types, starts, ends, critical, by, verified, reason, agreed_by)
VALUES
    ('works', 'harbour', NULL, NULL, '{}', now() + '1h'::interval, now() + '9h'::interval, true, 'lee', true,
        'new quay', 'kim'),
    ('out_of_service', 'harbour', 'gate-2', 'rpm-2', '{radiation}', now(), now() + '2d'::interval, false, 'kim', true,
        'broken', NULL),
    ('works', 'harbour', NULL, NULL, '{}', now() - '9h'::interval, now() - '1h'::interval, false, 'lee', true,
        'over', NULL),
    ('works', 'airport', NULL, NULL, '{}', now(), now() + '9h'::interval, false, 'lee', true, 'elsewhere', NULL);
"""
DETECTION = """
INSERT INTO hubwatch.detection (id, type, hub, sensor, start, detected, score, priority, detector, version, late, why)
VALUES ('a', 'radiation.gamma', 'harbour', 'rpm-2', now(), now(), 6.1, 1, 'radiation_portal', 1, false, 'w')
"""


@pytest.fixture
def grafana(migrated_database: str) -> Iterator[Grafana]:
    with reading(migrated_database) as made:
        yield made


def _kind(board: str, title: str) -> str:
    (panel,) = [panel for panel in board_json(board)["panels"] if panel["title"] == title]
    return str(panel["type"])


def _texts(rows: list[dict[str, Any]]) -> list[str]:
    """Return the texts of rows; an empty one is shown as a dash and says nothing."""
    return [value for row in rows for value in row.values() if isinstance(value, str) and value]


@pytest.mark.parametrize("hubs", [(), ("",), ("harbour",), ("a", "b")], ids=["none", "blank", "unknown", "two"])
@pytest.mark.parametrize("interval", [FINE, COARSE], ids=["fine", "coarse"])
def test_every_query_says_no_hub_yet_on_an_empty_database(
    grafana: Grafana, interval: timedelta, hubs: tuple[str, ...]
) -> None:
    for board, title, ref_id in panels():
        rows = grafana.show(title, ref_id, interval=interval, board=board, hubs=hubs)
        if _kind(board, title) == "stat":
            assert [next(iter(row.values())) for row in rows] == [None], title
        else:
            assert set(_texts(rows)) == {"no hub yet"}, (board, title)


@pytest.mark.parametrize("interval", [FINE, COARSE], ids=["fine", "coarse"])
async def test_every_query_runs_with_no_hub_chosen_and_shows_nothing_of_the_hubs_there_are(
    grafana: Grafana, interval: timedelta
) -> None:
    await write(grafana, portal_birth(), portal_frame(1), portal_frame(4))
    as_owner(grafana, ALARMS)
    as_owner(grafana, DETECTION)
    for board, title, ref_id in panels():
        rows = grafana.show(title, ref_id, interval=interval, board=board, hubs=())
        if _kind(board, title) == "stat":
            assert [next(iter(row.values())) for row in rows] == [None], title
        else:
            assert set(_texts(rows)) == {"no hub yet"}, (board, title)


@pytest.mark.parametrize("hours", [1, 12, 24 * 30])
async def test_every_query_runs_over_every_range(grafana: Grafana, hours: int) -> None:
    await write(grafana, portal_birth(), portal_frame(1), portal_frame(4))
    as_owner(grafana, ALARMS)
    as_owner(grafana, DETECTION)
    for board, title, ref_id in panels():
        assert grafana.show(title, ref_id, board=board, hours=hours, interval=timedelta(seconds=hours * 5)), title


def test_hub_without_agent_or_sensor_is_not_called_calm(grafana: Grafana) -> None:
    as_owner(grafana, "INSERT INTO hubwatch.hubs (hub) VALUES ('harbour')")
    assert [(row["Blind"], row["Why"]) for row in grafana.show("Blind right now")] == [("harbour", "no sensor yet")]
    assert _texts(grafana.show("Gaps in the ledger", board="devices")) == ["no agent yet"]
    assert _texts(grafana.show("Portals: gamma")) == ["no such sensor yet"]
    assert [grafana.number(title) for title in ("Sensors blind", "Agents offline", "Frames unexplained")] == [None] * 3


async def test_hub_without_sensor_beside_one_that_is_seen_is_blind(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    as_owner(grafana, "INSERT INTO hubwatch.hubs (hub) VALUES ('airport')")
    rows = grafana.show("Blind right now", hubs=("harbour", "airport"))
    assert [(row["Blind"], row["Why"]) for row in rows] == [("airport", "no sensor yet")]


CALM = {
    "Open alarms": "No open alarm",
    "Open alarms of equipment": "No open alarm",
    "Open alarms of power": "No open alarm",
    "Blind right now": "Everything is seen",
    "Set aside: nobody is told": "Nothing is set aside",
    "Doors": "No event of a door",
    "Perimeter": "No event of the perimeter",
    "Events": "No event",
    "Gaps in the ledger": "Every frame is accounted for",
    "Dead letters": "No dead letter",
    "Unusual people": "Nobody is unusual",
    "Most frequent": "No alarm was presented",
    "False-alarm rates": "No detector made an alarm",
}
FACTS = {
    "Is it being watched?", "Zones", "Sensors", "Newest values", "Occupancies", "Portals and area monitors",
    "Doors and readers", "Sections", "Agents", "Batteries", "Figures of IEC 62682", "Equipment", "Hubs",
}  # fmt: skip
"""Tables whose rows are there whatever happens, and say of each what is known."""


def _age_s(clock: str) -> float:
    answered = datetime.strptime(clock, "%H:%M:%S UTC").replace(tzinfo=UTC)
    return (datetime.now(UTC) - answered).total_seconds() % 86_400


async def test_calm_is_one_row_with_the_time_of_the_answer_in_every_table(grafana: Grafana) -> None:
    await write(grafana, fenced_birth(), portal_frame())
    watched(grafana)
    tables = [(board, title) for board, title, _ in panels() if _kind(board, title) == "table"]
    assert {title for _, title in tables} == set(CALM) | FACTS
    for board, title in tables:
        if title in CALM:
            (text,) = _texts(grafana.show(title, board=board))
            sentence, clock = text.split(", as of ")
            assert sentence.startswith(CALM[title]), (board, title)
            assert _age_s(clock) < 60, title


async def test_no_calm_is_said_of_alarms_while_nobody_looks_for_them(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    for board, title, _ in panels():
        if title.startswith(("Open alarms", "Detections", "Unusual", "Most frequent", "False-alarm")):
            texts = set(_texts(grafana.show(title, board=board)))
            assert texts == {"NOT KNOWN: it is not sure that data is judged, alarms are made, people are told"}, title
    assert grafana.number("Alarms waiting") is None
    assert grafana.show("Hubs", board="regional")[0]["Watched"] == "NOT SURE"


@pytest.mark.parametrize("title", ["Doors", "Perimeter"])
async def test_no_calm_is_said_of_events_while_nothing_is_stored(grafana: Grafana, title: str) -> None:
    await write(grafana, fenced_birth(), portal_frame())
    silenced(grafana)
    assert _texts(grafana.show(title)) == ["NOT KNOWN: it is not sure that data is stored"]


async def test_no_number_and_no_chart_is_calm_while_nothing_is_stored(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    silenced(grafana)
    assert _texts(grafana.show("Gaps in the ledger", board="devices")) == [
        "NOT KNOWN: it is not sure that data is stored"
    ]
    assert (grafana.number("Frames unexplained"), grafana.number("Agents offline")) == (None, 1)
    for board, title in (
        ("access", "Denied, held, forced"), ("portals", "What alarms were"), ("regional", "Alarms in ten minutes"),
    ):  # fmt: skip
        assert {row["value"] for row in grafana.show(title, board=board)} == {None}, title


async def test_hub_that_is_not_there_is_not_watched(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    watched(grafana)
    rows = grafana.show("Is it being watched?", hubs=("harbour", "nowhere"))
    assert [(row["Works"], row["Not at"]) for row in rows] == [("NOT SURE", "nowhere")] * 4
    assert rows[0]["As of"].startswith("as of ")


async def test_zone_that_is_not_there_is_nothing_chosen(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    watched(grafana)
    for zones in ((), ("",), ("nowhere",)):
        for title in ("Open alarms", "Detections", "Events"):
            assert set(_texts(grafana.show(title, board="zone", zones=zones))) == {"nothing chosen"}, title
    assert _texts(grafana.show("Occupancies", board="portals", sensors=("rpm-9",))) == ["nothing chosen"]


async def test_alarm_of_which_nobody_was_told_for_a_minute_is_said(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    watched(grafana)
    as_owner(grafana, ALARMS)
    rows = {row["Watching"]: row["Works"] for row in grafana.show("Is it being watched?")}
    assert (rows["alarms are made"], rows["people are told"]) == ("yes", "NOT SURE")


def test_detection_that_lasts_since_days_is_still_a_band(grafana: Grafana) -> None:
    as_owner(grafana, DETECTION.replace("'rpm-2', now(), now()", "'rpm-2', now() - '3 days'::interval, now()"))
    rows = grafana.show("Detections")
    assert {(row["metric"], row["value"]) for row in rows} == {("radiation.gamma · rpm-2", 1)}


async def test_calm_is_a_number_the_query_returned_in_every_number(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    watched(grafana)
    numbers = {title for board, title, _ in panels() if _kind(board, title) == "stat"}
    for title in numbers:
        (text,) = _texts(grafana.show(title))
        assert _age_s(text.removeprefix("as of ")) < 60, title
    assert {title: grafana.number(title) for title in numbers if title != "Readings/s"} == dict.fromkeys(
        numbers - {"Readings/s"}, 0
    )


@pytest.mark.parametrize("interval", [FINE, COARSE], ids=["fine", "coarse"])
async def test_calm_is_a_series_at_zero_in_every_chart_of_counts(grafana: Grafana, interval: timedelta) -> None:
    await write(grafana, portal_birth(), frame(1, series=[], events=[event("door.opened", sensor="door-3")]))
    watched(grafana)
    (row,) = grafana.show("Readings stored a second", interval=interval)
    assert (row["metric"], row["value"]) == ("harbour", 0)
    assert row["time"].timestamp() % interval.total_seconds() == 0
    bands = grafana.show("Detections", interval=interval)
    assert {(row["metric"].split(", as of ")[0], row["value"]) for row in bands} == {("no detection", 0)}


async def test_portal_that_was_not_read_has_no_line_and_no_calm_name(grafana: Grafana) -> None:
    await write(grafana, portal_birth())
    assert grafana.show("Portals: gamma") == grafana.show("Portals: neutrons") == []


def test_hub_variable_lists_the_hubs(grafana: Grafana) -> None:
    as_owner(grafana, "INSERT INTO hubwatch.hubs (hub) VALUES ('harbour'), ('airport')")
    (query,) = [each["query"] for each in board_json("hub-overview")["templating"]["list"] if each["name"] == "hub"]
    rows = grafana.connection.execute(query.encode()).fetchall()
    assert [row["hub"] for row in rows] == ["airport", "harbour"]


def test_open_alarms_come_most_urgent_first_and_untaken_before_taken(grafana: Grafana) -> None:
    as_owner(grafana, ALARMS)
    rows = grafana.show("Open alarms")
    assert [(row["Priority"], row["What"]) for row in rows] == [
        (1, "radiation.neutron"),
        (1, "radiation.gamma"),
        (2, "perimeter.intrusion"),
    ]
    assert rows[0]["Where"] == "gate-2 · rpm-2"
    assert rows[1]["Taken by"] == "Jansen"
    assert grafana.number("Alarms waiting") == 2


def test_all_that_nobody_is_told_of_is_shown_with_who_why_and_until_when(grafana: Grafana) -> None:
    as_owner(grafana, ALARMS)
    as_owner(grafana, SET_ASIDE)
    rows = grafana.show("Set aside: nobody is told")
    shown = [[row[name] for name in ("Priority", "Set aside", "Where", "What", "By", "Why")] for row in rows]
    assert shown == [
        [1, "works (to come)", "the whole of harbour", "all types", "lee", "new quay"],
        [2, "shelved", "fence · fence-1", "perimeter.intrusion", "kim", "until noon: wind"],
        [2, "out_of_service", "gate-2 · rpm-2", "radiation", "kim", "broken"],
    ]
    assert [row["Until"] is not None for row in rows] == [True] * 3
    assert (rows[0]["Agreed by"], rows[1]["Alarm"]) == ("kim", grafana.show("Open alarms")[-1]["Alarm"])


def test_all_hubs_chosen_shows_alarms_of_all(grafana: Grafana) -> None:
    as_owner(grafana, ALARMS)
    assert len(grafana.show("Open alarms", hubs=("harbour", "airport"))) == 4


def test_hub_with_a_quote_in_its_name_finds_nothing_and_breaks_nothing(grafana: Grafana) -> None:
    as_owner(grafana, ALARMS)
    assert _texts(grafana.show("Open alarms", hubs=("'); DROP SCHEMA hubwatch; --",))) == ["no hub yet"]
    assert len(grafana.show("Open alarms")) == 3


async def test_fresh_good_readings_are_not_blind(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    assert _texts(grafana.show("Blind right now"))[0].startswith("Everything is seen")
    assert grafana.number("Sensors blind") == 0


async def test_sensor_older_than_its_limit_is_blind_and_silent(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame(age_s=7200))
    (row,) = grafana.show("Blind right now")
    assert (row["Blind"], row["Why"]) == ("gate-2 · rpm-2", "silent")
    assert row["Channels"] == "gamma.1, neutron.1, occupied"
    assert abs(row["Last heard"] - datetime.now(UTC) + timedelta(hours=2)) < timedelta(minutes=20)
    assert grafana.number("Sensors blind") == 1


async def test_sensor_with_bad_quality_is_blind_with_its_reason(grafana: Grafana) -> None:
    bad = series(now_us(), [None], q=[(2, "timeout")], channel="gamma.1")
    await write(grafana, portal_birth(), portal_frame(age_s=1), frame(2, series=[bad]))
    (row,) = grafana.show("Blind right now")
    assert (row["Why"], row["Channels"]) == ("bad: timeout", "gamma.1")


async def test_announced_sensor_that_never_spoke_is_blind(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), frame(1, series=[], events=[event("door.opened", sensor="door-3")]))
    (row,) = grafana.show("Blind right now")
    assert (row["Blind"], row["Why"], row["Last heard"]) == ("gate-2 · rpm-2", "never heard", None)


async def test_sensor_of_an_agent_that_says_nothing_any_more_is_blind(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    silenced(grafana)
    assert {row["Why"] for row in grafana.show("Blind right now")} == {"agent silent"}
    assert grafana.number("Sensors blind") == 2


async def test_channel_that_never_came_beside_others_is_not_blind_and_is_listed(grafana: Grafana) -> None:
    values = [series(now_us(), [400.0], channel="gamma.1")]
    await write(grafana, portal_birth(), frame(1, series=values))
    assert grafana.number("Sensors blind") == 0
    assert _texts(grafana.show("Blind right now"))[0].startswith("Everything is seen")
    (portal,) = [row for row in grafana.show("Sensors", board="devices") if row["Kind"] == "radiation_portal"]
    assert (portal["Sight"], portal["Never published"]) == ("seen", "neutron.1, occupied")


@pytest.mark.parametrize(("reason", "blind"), [("clock not synchronised", 0), ("", 1)])
async def test_offset_of_a_clock_that_is_doubted_is_no_silence(grafana: Grafana, reason: str, blind: int) -> None:
    sent = now_us() - 7_200_000_000
    q = [(1, reason)] if reason else None
    values = [series(sent, [1.0], channel=name, q=q) for name in ("gamma.1", "neutron.1", "occupied")]
    await write(grafana, portal_birth(), frame(1, series=values, sent=sent))
    assert grafana.number("Sensors blind") == blind
    (portal,) = [row for row in grafana.show("Sensors", board="devices") if row["Kind"] == "radiation_portal"]
    assert portal["Sight"] == ("BLIND" if blind else "clock doubted")


async def test_offline_agent_is_blind(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    await write(grafana, State("harbour", "gate-7", online=False))
    assert grafana.number("Agents offline") == 1
    shown = [(row["Blind"], row["Why"]) for row in grafana.show("Blind right now")]
    assert shown == [(place, "agent offline") for place in ("agent gate-7", "gate-2 · rpm-2", "office · door-3")]
    assert grafana.number("Sensors blind") == 2


async def test_what_was_taken_away_for_good_is_not_blind_and_a_hub_of_which_nothing_is_left_says_so(
    grafana: Grafana,
) -> None:
    await write(grafana, portal_birth(), portal_frame(age_s=7200), State("harbour", "gate-7", online=False))
    assert len(grafana.show("Blind right now")) == 3
    await write(grafana, Departure("harbour", "gate-7"))
    shown = [(row["Blind"], row["Why"]) for row in grafana.show("Blind right now")]
    assert shown == [("harbour", "no sensor any more")]
    assert grafana.number("Sensors blind") is None
    assert grafana.number("Agents offline") in (0, None)


async def test_sensor_that_no_agent_lists_is_not_blind(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame(age_s=7200))
    (_, door) = portal_birth().inventory
    await write(grafana, msgspec.structs.replace(portal_birth(), inventory=[door], sent=now_us()))
    assert _texts(grafana.show("Blind right now"))[0].startswith("Everything is seen")
    assert grafana.number("Sensors blind") == 0


@pytest.mark.parametrize("interval", [FINE, COARSE], ids=["fine", "coarse"])
@pytest.mark.parametrize(
    ("title", "ref_id", "metric", "highest"),
    [
        ("Portals: gamma", "A", "gate-2 · rpm-2 gamma.1", 890.0),
        ("Portals: neutrons", "A", "gate-2 · rpm-2 neutron.1", 2.0),
        ("Portals: gamma", "B", "gate-2 · rpm-2 occupied", 1.0),
    ],
)
async def test_portal_counts_show_the_peak_of_each_interval(
    grafana: Grafana, interval: timedelta, title: str, ref_id: str, metric: str, highest: float
) -> None:
    await write(grafana, portal_birth(), portal_frame(age_s=400))
    rows = grafana.show(title, ref_id, interval=interval)
    assert {row["metric"] for row in rows} == {metric}
    assert max(row["value"] for row in rows) == highest
    assert all(row["time"].timestamp() % interval.total_seconds() == 0 for row in rows)


async def test_single_line_breaks_where_nothing_was_read(grafana: Grafana) -> None:
    await write(
        grafana, portal_birth(), portal_frame(1, age_s=900), portal_frame(2, age_s=400), portal_frame(3, age_s=350)
    )
    rows = grafana.show("Portals: gamma")
    values = [row["value"] for row in rows]
    assert values == [890.0, None, 890.0, 890.0]
    assert (rows[1]["time"] - rows[0]["time"]).total_seconds() == 1


async def test_doors_show_who_was_denied_where_and_why(grafana: Grafana) -> None:
    attrs = {"reader": "in", "reason": "expired"}
    denied = event("access.denied", subject="badge:7F3A", attrs=attrs)
    await write(grafana, portal_birth(), frame(1, events=[denied]))
    (row,) = grafana.show("Doors")
    assert (row["Where"], row["Who"], row["Detail"]) == ("office · door-3", "badge:7F3A", "in, expired")


async def test_perimeter_shows_layer_and_position(grafana: Grafana) -> None:
    alarm = event("perimeter.alarm", sensor="fence-1", attrs={"layer": "fence", "position_m": 120})
    await write(grafana, frame(1, events=[alarm]))
    (row,) = grafana.show("Perimeter")
    assert (row["Where"], row["Detail"]) == ("fence-1", "fence, 120 m")


def test_detections_are_bands_by_type_and_place_in_their_priority(grafana: Grafana) -> None:
    as_owner(grafana, DETECTION)
    rows = grafana.show("Detections")
    assert {row["metric"] for row in rows} == {"radiation.gamma · rpm-2"}
    assert (rows[0]["value"], rows[-1]["value"]) == (0, 1)


async def test_stored_readings_show_as_rate(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    assert grafana.number("Readings/s") == pytest.approx(6 / 60)
    rows = grafana.show("Readings stored a second")
    assert sum(row["value"] for row in rows) * 5 == pytest.approx(6)


async def test_missing_frame_is_listed_and_counted_once_nobody_can_explain_it(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame(1), portal_frame(4))
    (row,) = grafana.show("Gaps in the ledger", board="devices")
    assert (row["Frames"], row["From"], row["To"]) == (2, 2, 3)
    assert row["Cause"] != "unexplained"
    as_owner(grafana, "UPDATE hubwatch.ledger_grace SET grace = interval '0'")
    (row,) = grafana.show("Gaps in the ledger", board="devices")
    assert row["Cause"] == "unexplained"
    assert grafana.number("Frames unexplained") == 2


async def test_dead_letters_are_listed_without_their_payload(grafana: Grafana) -> None:
    await write(grafana, Letter("not JSON"), Letter("unknown version", hub="harbour", agent="gate-7"))
    rows = grafana.show("Dead letters", board="devices")
    assert {row["Reason"] for row in rows} == {"not JSON", "unknown version"}
    assert grafana.number("Unreadable messages") == 2
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        grafana.connection.execute("SELECT payload FROM hubwatch.dead_letters")


@pytest.mark.parametrize("table", ["reading", "latest_value", "detection", "epoch"])
def test_grafanas_user_cannot_read_behind_the_public_names(grafana: Grafana, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        grafana.connection.execute(f"SELECT * FROM hubwatch.{table}".encode())


@pytest.mark.parametrize("title", ["Doors", "Dead letters"])
async def test_table_that_is_cut_says_how_many_more(grafana: Grafana, title: str) -> None:
    denied = [event("access.denied", subject=f"badge:{n}") for n in range(230)]
    letters = [Letter(f"cannot be read {n}", "harbour", "gw-1") for n in range(130)]
    await write(grafana, portal_birth(), frame(1, events=denied), *letters)
    shown = grafana.show(title, board="access" if title == "Doors" else "devices")
    assert len(shown) == (201 if title == "Doors" else 101)
    assert [text for text in _texts(shown[-1:]) if re.match(r"30 more: ", text)]


async def test_gaps_that_are_cut_say_how_many_more(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), *(portal_frame(seq) for seq in range(2, 260, 2)))
    gaps = grafana.show("Gaps in the ledger", board="devices")
    assert len(gaps) == 101
    assert gaps[-1]["Agent"].startswith("29 more: `hubwatch ledger report`")


async def test_range_over_an_hour_is_drawn_from_the_minutes_and_over_days_from_the_hours(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame(age_s=7200 + 400))
    assert grafana.show("Portals: gamma") == []
    for interval in (timedelta(seconds=20), timedelta(minutes=10), timedelta(hours=2)):
        rows = grafana.show("Portals: gamma", interval=interval, hours=72)
        assert {row["value"] for row in rows} == {890.0}
        times = [row["time"].timestamp() for row in rows]
        assert all(time % interval.total_seconds() == 0 for time in times)
        assert len(times) == (3 if interval < timedelta(minutes=1) else 1)  # a minute has no hole
