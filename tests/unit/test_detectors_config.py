"""Settings, sample, table and entry points."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata, resources
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hubwatch_core.config import NatsSection
from hubwatch_core.config.load import load
from hubwatch_core.errors import ConfigError, Permanent
from hubwatch_detectors import registry
from hubwatch_detectors.cli import app
from hubwatch_detectors.contract import DetectorConfig, Scope, Spec
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_ops.samples import IN_FORCE
from support.detectors_stories import SITE

SAMPLE = (resources.files("hubwatch_detectors") / "sample.toml").read_text(encoding="utf-8")
NOT_PLAIN_DEFAULTS = {"plants", "username", "password_file", "ca_file", "cert_file", "key_file", "token_file", "port"}
NOT_PLAIN_DEFAULTS |= {"feeds", "ranges", "credentials_file", "nkey_file", "max_bytes", "gamma_sigma", "neutron_chance"}
NOT_PLAIN_DEFAULTS |= {"burst_score", "clone_score"}
"""Keys without a default; the sample shows an example."""
EXAMPLES = {"plugins", "budgets"}


def uncommented() -> str:
    return re.sub(r"^# ((?:[a-z_]+ = )|\[)", r"\1", SAMPLE, flags=re.MULTILINE)


def test_every_key_of_the_sample_exists_and_shows_its_default_unless_it_is_in_force() -> None:
    tree = tomllib.loads(uncommented())
    plain = DetectorsSettings.model_validate(IN_FORCE["detectors"]).model_dump(mode="json")
    plain["nats"] = NatsSection().model_dump(mode="json")
    for name, value in tree.items():
        if name in EXAMPLES:
            continue
        for key, each in value.items() if isinstance(value, dict) else [(None, value)]:
            if key not in NOT_PLAIN_DEFAULTS | {"tls"}:
                assert (plain[name] if key is None else plain[name][key]) == each, f"{name}.{key}"


def test_the_sample_shows_every_key() -> None:
    tree = tomllib.loads(uncommented())
    assert set(DetectorsSettings.model_fields) <= set(tree)
    for name, field in DetectorsSettings.model_fields.items():
        inner = getattr(NatsSection if name == "nats" else field.annotation, "model_fields", None)
        if inner is not None:
            assert set(inner) - {"password", "token", "tls"} <= set(tree[name]), name


def test_five_mistakes_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text(
        "[radiation_portal]\ngamma_sigma = -1\ngama = 2\n[access]\nattack_per_h = 0.1\n"
        '[[neighbours]]\nhub = "rotterdam"\nfrom = "fence-1"\nto = "fence-2"\n[mqtt]\nport = 0\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(DetectorsSettings, tmp_path / "d.toml", env={})
    assert {problem.key for problem in caught.value.problems} == {
        "radiation_portal.gamma_sigma",
        "radiation_portal.gama",
        "access.attack_per_h",
        "neighbours",
        "mqtt.port",
    }
    (gone,) = (problem for problem in caught.value.problems if problem.key == "neighbours")
    assert "`hubwatch site draft --neighbours FILE" in gone.message


def test_conflicts_of_every_section_and_unreadable_files_are_told_beside_a_wrong_name(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text(
        'name = "Gate 7"\n[access]\nattack_per_h = 0.1\nheld_s = -1\n[perimeter]\nmax_speed_m_s = 0.1\n'
        f'[plugins.other]\nfactor = 3\n[telemetry]\ntoken_file = "{tmp_path}/token"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(DetectorsSettings, tmp_path / "d.toml", env={}, check_files=True)
    assert [problem.key for problem in caught.value.problems] == [
        "name",
        "access.held_s",
        "perimeter.max_speed_m_s",
        "plugins.other",
        "telemetry.token_file",
    ]


def test_environment_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text("[radiation_portal]\ngamma_sigma = 6\n")
    settings = load(DetectorsSettings, tmp_path / "d.toml", env={"HUBWATCH_RADIATION_PORTAL__GAMMA_SIGMA": "7"})
    assert settings.radiation_portal.gamma_sigma == 7


def test_rules_hold_every_detector_with_its_section() -> None:
    settings = DetectorsSettings()
    rules = settings.rules(SITE)
    assert set(rules.configs) == {spec.name for spec in registry.TABLE}
    assert rules.configs["perimeter"] is settings.perimeter
    assert rules.site is SITE


class OtherConfig(DetectorConfig):
    """A detector's section that comes from elsewhere."""

    factor: int = 1


OTHER = Spec("other", 1, Scope.HUB, ("other.found",), OtherConfig, lambda *_: None)  # type: ignore[arg-type]


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[metadata.EntryPoint]:
    """Entry points that another distribution would bring; the table is read anew after and before."""
    points: list[metadata.EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    registry.specs.cache_clear()
    return points


def point(name: str, value: str) -> metadata.EntryPoint:
    return metadata.EntryPoint(name, value, registry.ENTRY_POINTS)


def test_detector_of_another_distribution_joins_the_table_with_its_section(offered: list[metadata.EntryPoint]) -> None:
    offered.append(point("other", f"{__name__}:OTHER"))
    try:
        assert registry.specs() == (*registry.TABLE, OTHER)
        rules = DetectorsSettings(plugins={"other": {"factor": 3}}).rules()
        assert rules.configs["other"] == OtherConfig(factor=3)
    finally:
        registry.specs.cache_clear()


def test_mistakes_in_the_section_of_a_plugin_are_told_beside_others(
    offered: list[metadata.EntryPoint], tmp_path: Path
) -> None:
    offered.append(point("other", f"{__name__}:OTHER"))
    (tmp_path / "d.toml").write_text('name = "Gate 7"\n[plugins.other]\nfactor = "many"\ncolour = 1\n')
    try:
        with pytest.raises(ConfigError) as caught:
            load(DetectorsSettings, tmp_path / "d.toml", env={})
    finally:
        registry.specs.cache_clear()
    assert [problem.key for problem in caught.value.problems] == [
        "name",
        "plugins.other.factor",
        "plugins.other.colour",
    ]


def test_section_of_a_plugin_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no detector of another distribution is called other"):
        DetectorsSettings(plugins={"other": {}})


@pytest.mark.parametrize(
    ("value", "message"),
    [("hubwatch_detectors.perimeter.crossing:SPEC", "is there already"), ("math:pi", "is no detector Spec")],
)
def test_unusable_entry_point_is_refused(offered: list[metadata.EntryPoint], value: str, message: str) -> None:
    offered.append(point("bad", value))
    try:
        with pytest.raises(Permanent, match=message):
            registry.specs()
    finally:
        registry.specs.cache_clear()


def test_list_shows_every_detector_and_all_it_can_find() -> None:
    output = CliRunner().invoke(app, ["list"], env={"COLUMNS": "200"}).output
    for spec in registry.TABLE:
        assert spec.name in output
        assert all(each in output for each in spec.types)
    assert "integrity.agent_offline" in output


def test_check_config_names_the_detectors_that_will_run(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text("[frozen]\nenabled = false\n")
    result = CliRunner().invoke(app, ["check-config", str(tmp_path / "d.toml")])
    assert result.exit_code == 0
    _, _, named = result.output.strip().rpartition("detectors: ")
    assert named.split(", ") == sorted(spec.name for spec in registry.TABLE if spec.name != "frozen")


def test_sample_config_prints_the_sample() -> None:
    assert CliRunner().invoke(app, ["sample-config"]).output == SAMPLE
