"""How urgent each type of alarm is."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubwatch_alarms.check import check
from hubwatch_alarms.priorities import Priorities
from hubwatch_core.errors import ConfigError
from hubwatch_core.words import Priority
from hubwatch_detectors.engine.instance import FAILED
from hubwatch_detectors.engine.owners import SENSOR_TWICE
from hubwatch_detectors.engine.twins import AGENT_TWICE
from hubwatch_detectors.registry import TABLE
from hubwatch_detectors.stored_frames import NOT_JUDGED
from hubwatch_store.alarms import ROUTE_FAILED
from hubwatch_store.alarms.expected import BURST
from hubwatch_store.ingest.mistrust import TOLD
from hubwatch_store.upkeep.refused_frames import FRAMES_REFUSED
from hubwatch_store.upkeep.unexplained_gaps import UNEXPLAINED_GAP

OF_DETECTORS = {type_ for spec in TABLE for type_ in spec.types}
OF_THE_ENGINE = {FAILED, SENSOR_TWICE, AGENT_TWICE, NOT_JUDGED}
REVOCATION_ASKED = "integrity.revocation_asked"
"""What the database itself finds: somebody has asked for an agent to be revoked (migration 0130)."""
OF_THE_STORE = {told.type for told in TOLD.values()} | {FRAMES_REFUSED, UNEXPLAINED_GAP, REVOCATION_ASKED}


def own(folder: Path, text: str) -> Path:
    file = folder / "priority.toml"
    file.write_text(text, encoding="utf-8")
    return file


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        Priorities.load(own(folder, text))
    return [f"{problem.key}: {problem.message}" for problem in refused.value.problems]


def test_table_has_every_type_that_is_detected_and_no_other() -> None:
    known = {ranked.type for ranked in Priorities.load().ranked()}
    assert known == OF_DETECTORS | OF_THE_ENGINE | OF_THE_STORE | {BURST, ROUTE_FAILED}


def test_packaged_table_leaves_every_grade_of_a_detector_as_it_is() -> None:
    packaged = Priorities.load()
    for type_ in OF_DETECTORS:
        assert [packaged.of(type_, grade) for grade in (1, 2, 3, 4)] == [1, 2, 3, 4]


@pytest.mark.parametrize(("kind", "told"), TOLD.items())
def test_packaged_row_says_what_the_store_says_of_its_own_findings(kind: object, told: object) -> None:
    (ranked,) = [each for each in Priorities.load().ranked() if each.type == told.type]  # type: ignore[attr-defined]
    assert ranked.priority == told.priority, kind  # type: ignore[attr-defined]


def test_shorter_time_to_act_moves_a_type_with_all_its_grades(tmp_path: Path) -> None:
    table = Priorities.load(own(tmp_path, '[types."access.held"]\nrespond = "at_once"\n'))
    assert [table.of("access.held", grade) for grade in (3, 4)] == [2, 3]
    assert table.of("access.forced", 1) == 1


def test_lesser_consequence_makes_less_urgent_and_never_less_than_low(tmp_path: Path) -> None:
    table = Priorities.load(own(tmp_path, '[types."perimeter.intrusion"]\nconsequence = "minor"\n'))
    assert [table.of("perimeter.intrusion", grade) for grade in (1, 2, 3, 4)] == [3, 4, 4, 4]


def test_own_matrix_moves_what_its_cells_are_about(tmp_path: Path) -> None:
    table = Priorities.load(own(tmp_path, "[matrix.major]\nprompt = 1\n"))
    assert (table.of("perimeter.intrusion", 2), table.of("access.held", 3)) == (1, 3)
    assert {each.type: each.priority for each in table.ranked()}["perimeter.intrusion"] is Priority.CRITICAL


def test_vital_zone_and_level_make_more_urgent_and_never_more_than_critical() -> None:
    table = Priorities.load()
    assert [table.of("access.held", 3, criticality) for criticality in (1, 2, 3)] == [3, 3, 2]
    assert table.of("access.held", 3, 3, 1) == 1
    assert table.of("access.held", 3, 3, 3) == 1


def test_zone_does_not_count_twice_where_the_detector_counts_it() -> None:
    assert Priorities.load().of("access.passback", 2, 3) == 2


def test_type_of_another_distribution_keeps_its_detectors_grade() -> None:
    assert Priorities.load().of("acme.leak", 3, 1) == 3
    assert Priorities.load().of("acme.leak", 3, 3) == 2


def test_every_mistake_of_an_own_table_is_told_at_once(tmp_path: Path) -> None:
    text = (
        '[types."radiation.gama"]\nrespond = "soon"\n[types."access.held"]\nconsequence = "grave"\nwho = 1\n'
        "[matrix]\nsevere = 3\n[zones]\nvital = 9\n[zonez]\n"
    )
    assert [line.split(": ")[0] for line in mistakes(tmp_path, text)] == [
        "types.radiation.gama",
        "types.access.held.consequence",
        "types.access.held.who",
        "matrix.severe",
        "zones.vital",
        "zonez",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[types", "is not valid TOML"),
        ("types = 3\n", "types: must be a table"),
        ("[matrix.severe]\nat_once = 5\n", "matrix.severe.at_once"),
        ("[matrix.severe]\nat_once = true\n", "matrix.severe.at_once"),
        (f"x = {'[' * 5000}", "is not valid TOML"),
    ],
)
def test_own_table_that_is_none_is_refused(tmp_path: Path, text: str, says: str) -> None:
    assert says in "\n".join(mistakes(tmp_path, text))


def test_check_config_tells_what_is_wrong_in_the_table_it_points_to(tmp_path: Path) -> None:
    table = own(tmp_path, '[types."access.hold"]\n[zones]\nvital = -1\n')
    file = tmp_path / "alarms.toml"
    file.write_text(f'priorities_file = "{table}"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        check(file)
    assert [problem.key for problem in refused.value.problems] == ["types.access.hold", "zones.vital"]
    assert str(table) in str(refused.value)


def test_table_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "alarms.toml"
    file.write_text(f'priorities_file = "{tmp_path / "none.toml"}"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        check(file)
    assert [problem.key for problem in refused.value.problems] == ["priorities_file"]
