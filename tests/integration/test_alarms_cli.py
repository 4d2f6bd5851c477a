"""The commands for people, against a real database."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hubwatch_alarms.cli import app
from hubwatch_core.clock import SECOND_US, now_us
from support.alarms_database import Hands, hands_on
from support.alarms_examples import detection
from support.alarms_moved import moved_once
from support.ports import free_port


@pytest.fixture
def hands(migrated_plain_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", migrated_plain_dsn)
    monkeypatch.setenv("COLUMNS", "160")
    with hands_on(migrated_plain_dsn) as made:
        yield made


@pytest.fixture
def alarm(hands: Hands, migrated_plain_dsn: str) -> str:
    """One open alarm, a quarter of an hour old; gives its number."""
    hands.place("rotterdam", "fence-1", "north")
    hands.detect(detection(start=now_us() - 15 * 60 * SECOND_US, why="the fence moved twice"))
    moved_once(migrated_plain_dsn)
    return str(hands.alarms()[-1]["id"])


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def good(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def bad(*words: str, code: int = 1) -> str:
    result = run(*words)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def test_list_without_alarms_says_so(hands: Hands) -> None:
    assert hands.alarms() == []
    assert good("list") == "no open alarms\n"


def test_list_shows_what_a_responder_needs(alarm: str) -> None:
    shown = good("list")
    for part in (alarm, "high", "unacknowledged", "Intrusion", "the fence moved twice", "15 min", "nobody yet"):
        assert part in shown
    assert "rotterdam / north / fence-1" in shown


def test_list_on_a_narrow_terminal_leaves_nothing_out(alarm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    good("ack", alarm, "--by", "kim")
    monkeypatch.setenv("COLUMNS", "80")
    shown = good("list")
    for part in (alarm, "high", "acknowledged", "Intrusion", "twice", "fence-1", "15 min", "kim"):
        assert part in shown
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_list_puts_what_wants_attention_first(hands: Hands, alarm: str, migrated_plain_dsn: str) -> None:
    good("ack", alarm, "--by", "kim")
    hands.detect(detection(number=2, sensor="fence-2", priority=4), detection(number=3, sensor="rpm-2", priority=1))
    moved_once(migrated_plain_dsn)
    assert [row["sensor"] for row in json.loads(good("list", "--json"))] == ["rpm-2", "fence-2", "fence-1"]


def test_list_of_a_hub_leaves_others_out_and_all_includes_closed_ones(
    hands: Hands, alarm: str, migrated_plain_dsn: str
) -> None:
    hands.detect(detection(number=2, hub="basel", over=True))
    moved_once(migrated_plain_dsn)
    assert [row["hub"] for row in json.loads(good("list", "--json", "--hub", "basel"))] == ["basel"]
    good("ack", str(hands.alarms()[-1]["id"]), "--by", "kim")
    assert json.loads(good("list", "--json", "--hub", "basel")) == []
    closed = json.loads(good("list", "--json", "--hub", "basel", "--all"))
    assert [(row["state"], row["acknowledged_by"]) for row in closed] == [("normal", "kim")]


def test_list_cannot_be_steered_by_text_from_the_field(hands: Hands, migrated_plain_dsn: str) -> None:
    hands.detect(detection(subject="[red]x[/red]\x1b[2J", why="[bold]\x07y"))
    moved_once(migrated_plain_dsn)
    shown = good("list")
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[red]" in shown


def test_show_tells_what_to_do_who_did_what_and_who_was_told(hands: Hands, alarm: str) -> None:
    good("ack", alarm, "--by", "kim", "--note", "on my way")
    shown = good("show", alarm)
    for part in ("Turn a camera to the fence section", "the fence moved twice", "opened", "acknowledged", "on my way"):
        assert part in shown
    assert "nobody was notified yet" in shown
    facts = json.loads(good("show", alarm, "--json"))
    assert [(entry["action"], entry["by"]) for entry in facts["journal"]] == [
        ("opened", "system"),
        ("acknowledged", "kim"),
    ]
    assert facts["notifications"] == []
    assert facts["zone"] == "north"


def test_ack_takes_the_alarm_and_writes_the_journal(hands: Hands, alarm: str) -> None:
    assert good("ack", alarm, "--by", "kim", "--note", "on my way") == f"alarm {alarm} is acknowledged, with kim\n"
    (row,) = hands.alarms()
    assert (row["state"], row["acknowledged_by"]) == ("acknowledged", "kim")
    (entry,) = hands.rows("SELECT by, note FROM alarm_journal WHERE action = 'acknowledged'")
    assert entry == {"by": "kim", "note": "on my way"}


def test_ack_by_another_says_who_has_it_and_by_the_same_that_it_is_theirs(hands: Hands, alarm: str) -> None:
    good("ack", alarm, "--by", "kim")
    assert f"alarm {alarm} is with kim, who acknowledged it at" in bad("ack", alarm, "--by", "lee")
    assert good("ack", alarm, "--by", "kim") == f"alarm {alarm} was already yours\n"
    assert hands.actions(int(alarm)) == ["opened", "acknowledged"]


def test_ack_of_a_closed_alarm_says_when_it_closed_and_who_had_it(
    hands: Hands, alarm: str, migrated_plain_dsn: str
) -> None:
    good("ack", alarm, "--by", "kim")
    hands.end(detection().id, now_us())
    moved_once(migrated_plain_dsn)
    line = bad("ack", alarm, "--by", "lee")
    assert f"alarm {alarm} is already closed" in line
    assert "acknowledged by kim" in line


@pytest.mark.parametrize("words", [("ack", "4711", "--by", "kim"), ("show", "4711"), ("unshelve", "4711", "--by", "k")])
def test_alarm_that_is_not_there_is_one_clear_line(hands: Hands, words: tuple[str, ...]) -> None:
    assert hands.alarms() == []
    assert bad(*words) == "hubwatch: there is no alarm 4711; `hubwatch alarms list` shows those that are open"


def test_shelve_and_unshelve_stand_in_the_journal_with_their_reasons(hands: Hands, alarm: str) -> None:
    assert good("shelve", alarm, "--by", "kim", "--for", "30m", "--note", "works") == f"alarm {alarm} is shelved\n"
    assert "unshelve it first" in bad("ack", alarm, "--by", "kim")
    assert good("unshelve", alarm, "--by", "lee") == f"alarm {alarm} is acknowledged, with lee\n"
    notes = hands.rows("SELECT action, by, note FROM alarm_journal ORDER BY id")[1:]
    assert [(row["action"], row["by"]) for row in notes] == [("shelved", "kim"), ("unshelved", "lee")]
    assert notes[0]["note"].endswith(": works")


@pytest.mark.parametrize("table", ["shelving", "alarms.shelving"], ids=["own file", "file of hubwatch up"])
def test_shelving_longer_than_the_settings_allow_is_refused(
    hands: Hands, alarm: str, tmp_path: Path, table: str
) -> None:
    assert "at most 8 h" in bad("shelve", alarm, "--by", "kim", "--for", "9h", "--note", "works")
    file = tmp_path / "hub.toml"
    file.write_text(f"[{table}]\nmax_s = 1800\n[agent]\nname = 'another component reads this'\n", encoding="utf-8")
    assert "at most 0.5 h" in bad("shelve", alarm, "--by", "k", "--for", "31m", "--note", "w", "-c", str(file))
    assert hands.actions(int(alarm)) == ["opened"]


def test_shelving_without_a_reason_is_refused(alarm: str) -> None:
    assert "must say why" in bad("shelve", alarm, "--by", "kim", "--for", "30m", "--note", " ", code=2)


@pytest.mark.parametrize(
    "words",
    [
        ("shelve", "1", "--by", "kim", "--for", "9x", "--note", "works"),
        ("shelve", "1", "--by", " ", "--for", "30m", "--note", "works"),
        ("ack", "one", "--by", "kim"),
        ("ack", "1", "--by", "system"),
        ("ack", "1", "--by", "kim", "--note", "x" * 1001),
        ("show", "one"),
    ],
    ids=["duration", "nobody", "number", "system", "note", "show"],
)
def test_what_nobody_can_mean_ends_with_code_2_and_one_line(words: tuple[str, ...]) -> None:
    assert bad(*words, code=2).startswith("hubwatch: ")


def test_database_that_is_away_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", f"postgresql://x@127.0.0.1:{free_port()}/x")
    assert "the database is unavailable" in bad("list")


def test_database_without_our_schema_says_to_migrate(plain_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", plain_dsn)
    assert "hubwatch db migrate" in bad("list")


def test_sample_config_passes_check_config(tmp_path: Path) -> None:
    file = tmp_path / "alarms.toml"
    file.write_text(good("sample-config"), encoding="utf-8")
    assert good("check-config", str(file)) == f"{file} is valid; routes: journal (log)\n"


def test_config_with_mistakes_ends_with_code_2_and_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "alarms.toml"
    file.write_text("colour = 1\n[delivery]\ngive_up_after_s = 0\n[log]\nlevel = 'loud'\n", encoding="utf-8")
    result = run("check-config", str(file))
    assert result.exit_code == 2
    assert {line.split(": ")[1] for line in result.stderr.splitlines()[1:]} == {
        "colour",
        "delivery.give_up_after_s",
        "log.level",
    }


def test_move_in_a_database_without_our_schema_says_to_migrate(plain_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", plain_dsn)
    assert "hubwatch db migrate" in bad("ack", "1", "--by", "kim")


def test_run_on_a_database_without_our_schema_ends_with_what_to_do(plain_dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "alarms.toml"
    file.write_text(f'[database]\ndsn = "{plain_dsn}"\n', encoding="utf-8")
    command = [sys.executable, "-m", "hubwatch_ops", "alarms", "run", "-c", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "run `hubwatch db migrate`" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_closing_needs_a_reason_and_stands_in_the_journal_with_who_did_it(alarm: str, hands: Hands) -> None:
    assert "--reason must say why" in bad("close", alarm, "--by", "kim", "--reason", "  ", code=2)
    assert hands.alarms()[0]["state"] == "unacknowledged"
    assert "is normal" in good("close", alarm, "--by", "kim", "--reason", "the fence was taken down")
    (entry,) = [entry for entry in json.loads(good("show", alarm, "--json"))["journal"] if entry["action"] == "closed"]
    assert (entry["by"], entry["note"]) == ("kim", "the fence was taken down")
    assert "already closed" in bad("close", alarm, "--by", "lee", "--reason", "again")


def test_list_that_is_cut_says_how_many_more_and_what_shows_them(hands: Hands, migrated_plain_dsn: str) -> None:
    hands.detect(*(detection(number=n, sensor=f"s-{n}") for n in range(130)))
    moved_once(migrated_plain_dsn)
    assert good("list").splitlines()[-1] == "30 more; --most 130 shows them"
    assert "more;" not in good("list", "--most", "130")
    whole = run("list", "--json", "--most", "7")
    assert len(json.loads(whole.stdout)) == 7
    assert whole.stderr.splitlines() == [
        "flood at rotterdam: its alarms are in the order they began",
        "123 more; --most 130 shows them",
    ]
    hands.rows("UPDATE alarms SET hub = 'antwerp' WHERE mod(id, 2) = 0 RETURNING id")
    assert good("list", "--hub", "antwerp", "--most", "60").splitlines()[-1] == "5 more; --most 65 shows them"


def test_list_says_whom_nobody_was_told_of_until_somebody_takes_it(alarm: str, hands: Hands) -> None:
    assert "nobody told: journal, 0 tries" in good("list")
    (row,) = json.loads(good("list", "--json"))
    assert (row["told"], row["undelivered_by"], row["given_up"]) == (None, ["journal"], False)
    hands.rows("UPDATE notification_outbox SET state = 'given_up', finished = now() RETURNING id")
    assert "nobody told: journal, given up" in good("list")
    good("ack", alarm, "--by", "kim")
    assert "nobody told" not in good("list")


def test_what_an_alarm_was_is_said_again_and_shown(alarm: str, hands: Hands) -> None:
    assert "nobody has said" in good("show", alarm)
    good("adjudicate", alarm, "real", "--by", "kim")
    said = good("adjudicate", alarm, "false", "--by", "li", "--note", "a \u202egull")
    assert said == f"alarm {alarm} was false, says li\n"
    shown = good("show", alarm)
    assert "false, says li at" in shown
    assert "\u202e" not in shown
    assert json.loads(good("show", alarm, "--json"))["adjudication"]["verdict"] == "false"
    assert [each["state"] for each in hands.alarms()] == ["unacknowledged"], "saying what it was moves nothing"


def test_word_that_is_no_adjudication_is_refused(alarm: str) -> None:
    assert "it may be real, innocent, false" in bad("adjudicate", alarm, "gull", "--by", "kim", code=2)
    assert "note must say" in bad("adjudicate", alarm, "other", "--by", "kim", code=2)
