"""`hubwatch detectors budget`, `propose` and `fit` on a real database, and running detectors that follow a budget."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from hubwatch_core.clock import SECOND_US, to_datetime
from hubwatch_core.health import Health
from hubwatch_core.wire import Channel, Frame, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_detectors.budget_following import BudgetFollowing
from hubwatch_detectors.cli import app
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.process import model
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_detectors.sharing import BudgetSection
from hubwatch_detectors.site_following import SiteFollowing
from hubwatch_store.database import DatabaseSection, open_pool
from hubwatch_store.ingest import Writer
from hubwatch_store.site import Sites
from support.budget_history import BEGAN, HUB, MONITOR, PLANT_AGENT, store, store_background, store_plant
from support.plant import PERIOD_S, PUMP, SIGNALS, plant
from support.store_examples import EPOCH, birth, offer, series


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "220"})


def good(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def span() -> list[str]:
    return ["--from", to_datetime(BEGAN).isoformat(), "--to", to_datetime(BEGAN + 7200 * SECOND_US).isoformat()]


@pytest.fixture
def monitored(migrated_plain_dsn: str) -> str:
    """A hub with an area monitor that has counted a weak rise and a strong one."""
    store_background(migrated_plain_dsn)
    return migrated_plain_dsn


def written(tmp_path: Path, dsn: str, text: str = "") -> str:
    file = tmp_path / "c.toml"
    file.write_text(f'{text}\n[database]\ndsn = "{dsn}"\n')
    return str(file)


BUDGET = f'[[budgets]]\nhub = "{HUB}"\nfalse_alarms_per_day = 2.0\nweights = {{ frozen = 0 }}\n'


def test_budget_shows_share_rate_and_what_to_expect(monitored: str, tmp_path: Path) -> None:
    hand = "[chemical]\nfalse_alarms_per_day = 0.02\n"
    config = written(tmp_path, monitored, BUDGET + hand)
    shown = good("budget", "-c", config)
    assert "harbour: 2 false alarms a day are accepted" in shown
    told = json.loads(good("budget", "-c", config, "--json"))[0]["rates"]
    rows = {row["detector"]: row for row in reversed(told)}  # of each the first
    area = rows["radiation_area"]["rate"]
    assert (area["set_by"], area["value"], area["expected_per_day"]) == ("budget", 2.0, 2.0), "it has all of it alone"
    assert rows["chemical"]["rate"]["set_by"] == "hand"
    assert rows["radiation_portal"]["rate"]["opportunities_per_day"] == 0
    assert rows["radiation_area"]["achieved"]["rate"]["per_day"] == 0.0
    assert "hand: false_alarms_per_day" in shown
    assert "no data: nothing to judge" in shown
    presence = rows["presence"]
    assert (presence["rate"], presence["no_share"]) == (None, "exact rule: needs no share")
    assert "exact rule: needs no share" in " ".join(shown.split())
    assert rows["frozen"]["rate"]["is_bound"]
    assert rows["frozen"]["rate"]["opportunities_per_day"] == 86_400


def test_hub_without_frames_has_no_data_and_no_zero(migrated_plain_dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(migrated_plain_dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO hubwatch.hubs (hub) VALUES ('antwerp')")
    shown = good("budget", "-c", written(tmp_path, migrated_plain_dsn, BUDGET))
    assert "antwerp: no budget is set; detectors keep their own rates" in shown
    assert "no data: not watched" in shown
    assert "no data: the database knows no hub harbour" in shown
    lost = run("budget", "-c", written(tmp_path, migrated_plain_dsn), "--hub", "nowhere")
    assert (lost.exit_code, "--hub nowhere" in lost.stderr) == (2, True)


async def test_running_detectors_follow_sensors_and_the_security_level(migrated_plain_dsn: str) -> None:
    settings = DetectorsSettings(budgets=(BudgetSection(hub=HUB, false_alarms_per_day=2.0, weights={"frozen": 0}),))
    rules = settings.rules()
    budgets = BudgetFollowing(settings.budgets, rules.specs, rules.configs)
    following = SiteFollowing(Engine(rules), Sites((), with_people=True), Health(), budgets=budgets)
    async with open_pool(DatabaseSection(dsn=migrated_plain_dsn)) as pool:
        await following.look(pool)
        assert following.site.budgets[HUB].values("radiation_area", "") == {}, "no monitor yet"
        await asyncio.to_thread(store, migrated_plain_dsn, [MONITOR], {}, SECOND_US)
        await following.look(pool)
        assert following.site.budgets[HUB].values("radiation_area", "") == {"false_alarms_per_day": 2.0}
        before = following.site
        await following.look(pool)
        assert following.site is before, "nothing is another"
        async with pool.connection() as connection:
            await connection.execute("UPDATE hubwatch.hubs SET security_level = 2")
        await following.look(pool)
    assert following.site.budgets[HUB].values("radiation_area", "") == {"false_alarms_per_day": 4.0}


def judge_false(dsn: str, sensor: str, start: int) -> None:
    """Put in a detection of the weak rise that somebody has judged to be false."""
    with psycopg.connect(dsn, autocommit=True, options="-c search_path=hubwatch") as connection:
        connection.execute(
            "INSERT INTO detection (id, type, hub, sensor, start, detected, score, priority, detector, version, late,"
            " why) VALUES ('d1', 'radiation.area', %s, %s, %s, %s, 5, 1, 'radiation_area', 1, false, '')",
            [HUB, sensor, to_datetime(start), to_datetime(start + SECOND_US)],
        )
        connection.execute(
            "INSERT INTO alarms (hub, sensor, type, priority, state, opened, last_active, why) VALUES"
            " (%s, %s, 'radiation.area', 1, 'unacknowledged', now(), now(), '')",
            [HUB, sensor],
        )
        connection.execute(
            "INSERT INTO adjudications (alarm, detection, verdict, by) SELECT id, 'd1', 'false', 'kim' FROM alarms"
        )


def test_other_rates_are_tried_on_stored_history_and_nothing_is_changed(monitored: str, tmp_path: Path) -> None:
    judge_false(monitored, "dose-1", BEGAN + 3000 * SECOND_US)
    config = written(tmp_path, monitored, "[radiation_area]\nfalse_alarms_per_day = 2.0\n")
    told = json.loads(good("propose", "radiation_area", "-c", config, "--hub", HUB, *span(), "--json"))
    found = {each["factor"]: each for each in told["outcomes"]}
    assert [each["value"] for each in found.values()] == pytest.approx([0.2, 0.6, 2.0, 6.0, 20.0])
    base = found[1.0]
    assert (base["gained"], base["lost"], base["real"]) == (0, 0, [0, 0])
    for each in found.values():
        assert each["detections"] - each["gained"] == base["detections"] - each["lost"]
        assert each["peak"] >= 20, "the strong rise is found with every rate, and its peak is kept"
    counts = [each["detections"] for each in found.values()]
    assert counts == sorted(counts)
    assert [each["false"] for each in found.values()] == [[0, 1], [1, 1], [1, 1], [1, 1], [1, 1]], "the weak rise"
    assert (found[0.1]["lost"], found[10.0]["gained"] > 0) == (1, True)


def test_proposal_without_history_or_rate_is_refused_in_words(monitored: str, tmp_path: Path) -> None:
    config = written(tmp_path, monitored)
    none = run("propose", "radiation_area", "-c", config, "--hub", HUB, "--from", "2020-01-01", "--to", "2020-01-02")
    assert (none.exit_code, "no data: nothing is stored of the 1 sensors" in none.stderr) == (2, True)
    exact = run("propose", "presence", "-c", config, "--hub", HUB)
    assert "presence has no rate that could be another: it may be radiation_portal" in exact.stderr
    lost = run("propose", "access", "-c", config, "--hub", "nowhere")
    assert "the database knows harbour" in lost.stderr


@pytest.fixture
def waterworks(migrated_plain_dsn: str) -> str:
    store_plant(migrated_plain_dsn)
    return migrated_plain_dsn


def test_model_of_stored_history_is_that_of_the_history_itself(waterworks: str, tmp_path: Path) -> None:
    config, file = written(tmp_path, waterworks), tmp_path / "waterworks.json"
    order = ["fit", str(file), "-c", config, "--hub", HUB, "--period", str(PERIOD_S), "--resolution", "0.001"]
    end = to_datetime(BEGAN + round(1400 * PERIOD_S) * SECOND_US)
    said = good(*order, "--from", to_datetime(BEGAN).isoformat(), "--to", end.isoformat())
    assert "fitted on 1399 periods of 5 s of 4 signals" in said
    fitted = model.load(file)
    names = sorted(SIGNALS)
    places = [SIGNALS.index(name) for name in names]
    wanted = model.fit(plant(1400, seed=1)[:, places], names, period_s=PERIOD_S, resolution=0.001, false_share=1e-3)
    assert fitted == wanted
    loaded = written(tmp_path, waterworks, f'[[process.plants]]\nhub = "{HUB}"\nmodel_file = "{file}"\n')
    assert "valid" in good("check-config", loaded)


def test_what_cannot_be_fitted_is_told_in_words(waterworks: str, tmp_path: Path) -> None:
    config, file = written(tmp_path, waterworks), tmp_path / "m.json"
    order = ["fit", str(file), "-c", config, "--hub", HUB]
    silent = run(*order, "--from", "2020-01-01", "--to", "2020-01-02")
    assert (silent.exit_code, "no data: nothing good is stored of pump-1/flow and 3 more" in silent.stderr) == (1, True)
    assert "no agent of harbour lists it" in run(*order, "--sensor", "pump-9").stderr
    few = run(*order, *span(), "--period", "3600")
    assert "periods of history are too few for 4 signals" in few.stderr
    assert not file.exists()
    assert not list(tmp_path.glob("*.part"))
    asyncio.run(other_unit(waterworks))
    changed = run(*order, *span(), "--sensor", "tank-1", "--period", "5")
    assert (
        "tank-1/level has changed its meaning in this time (m, then cm): fit from the last change on" in changed.stderr
    )


async def other_unit(dsn: str) -> None:
    """Let the tank say its level in another unit from an hour after the beginning on."""
    at = BEGAN + 7000 * SECOND_US
    tank = Sensor("tank-1", SensorKind.PROCESS, "waterworks", channels=[Channel("level", "cm")])
    writer = Writer(DatabaseSection(dsn=dsn))
    await writer.write([offer(birth(inventory=[PUMP, tank], sent=at, agent=PLANT_AGENT))])
    level = series(at + SECOND_US, [300.0], sensor="tank-1", channel="level")
    await writer.write([offer(Frame(1, HUB, PLANT_AGENT, EPOCH, 99, at + 2 * SECOND_US, series=[level]))])
    await writer.close()
