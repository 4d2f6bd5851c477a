"""The commands of `hubwatch agent`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hubwatch_agents.cli.app import app
from hubwatch_agents.config.library import Library
from support.pki_folder import PkiFolder
from support.sample_certificates import with_certificates


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_sample_config_is_printed_and_passes_check_config(tmp_path: Path) -> None:
    printed = run("sample-config")
    assert printed.exit_code == 0
    path = tmp_path / "agent.toml"
    key = tmp_path / "subjects.key"
    text = with_certificates(printed.output, PkiFolder(tmp_path))
    path.write_text(text.replace('"subjects.key"', f'"{key}"'), encoding="utf-8")
    assert f"privacy.key_file: {key} cannot be read" in run("check-config", str(path)).output
    key.write_text(bytes(range(40)).hex(), encoding="utf-8")
    checked = run("check-config", str(path))
    assert checked.exit_code == 0, checked.output
    assert "5 devices" in checked.output
    assert "busy" in checked.output


def test_run_ends_with_2_before_it_opens_anything_when_a_named_file_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(
        f'hub = "h"\nagent = "a"\n[spool]\ndirectory = "{tmp_path}/spool"\n'
        f'[mqtt.tls]\nca_file = "{tmp_path}/ca.pem"\n[telemetry]\ntoken_file = "{tmp_path}/token"\n',
        encoding="utf-8",
    )
    result = run("run", "-c", str(path))
    said = result.output + capsys.readouterr().err
    assert result.exit_code == 2
    assert f"mqtt.tls.ca_file: {tmp_path}/ca.pem cannot be read" in said
    assert f"telemetry.token_file: {tmp_path}/token cannot be read" in said
    assert not (tmp_path / "spool").exists()


def test_bad_config_ends_with_2_and_a_line_for_each_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('hub = "X"\nagent = "a"\ncolour = 1\n', encoding="utf-8")
    for command in (("check-config", str(path)), ("run", "-c", str(path)), ("check", "-c", str(path))):
        result = run(*command)
        assert result.exit_code == 2
        said = result.output + capsys.readouterr().err
        assert "hub" in said
        assert "colour: unknown key" in said
        assert "Traceback" not in said


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    result = run("check-config", str(tmp_path / "none.toml"))
    assert result.exit_code == 2
    assert "cannot be read" in result.output


def test_profiles_are_listed_with_their_confidence() -> None:
    result = run("profiles", "list")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert len(lines) == len(Library().ids())
    assert any(line.startswith("aspect-rpm") and " B " in line and "not verified" in line for line in lines)


def test_profile_is_shown_with_source_parameters_and_places() -> None:
    result = run("profiles", "show", "moxa-e1210-door")
    for part in (
        "source: Moxa ioLogik",
        "parameter position_bit (int, required)",
        "function 4 address 48",
        "door.opened",
    ):
        assert part in result.output


@pytest.mark.parametrize("name", ["uhppoted-door", "generic.sparkplug-environment", "aspect-rpm"])
def test_every_protocol_can_be_shown(name: str) -> None:
    assert run("profiles", "show", name).exit_code == 0


def test_unknown_profile_is_one_line_and_2() -> None:
    result = run("profiles", "show", "nothing")
    assert result.exit_code == 2
    assert "there is no profile nothing" in result.output


def test_shipped_profiles_pass_their_check() -> None:
    result = run("profiles", "check")
    assert result.exit_code == 0, result.output


def test_wrong_profile_is_told_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('id = "mine"\nprotocol = "modbus"\n', encoding="utf-8")
    result = run("profiles", "check", "mine", "nothing", "--folder", str(tmp_path))
    assert result.exit_code == 2
    assert "mine.toml: title: is required" in result.output
    assert "nothing: there is no such profile" in result.output


def test_device_that_cannot_be_reached_is_shown_bad_and_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(
        'hub = "h"\nagent = "a"\n[[connections]]\nname = "x"\ntransport = "tcp"\nhost = "127.0.0.1"\nport = 9\n'
        '[[devices]]\nsensor = "rpm-1"\nzone = "z"\nprofile = "aspect-rpm"\nconnection = "x"\n',
        encoding="utf-8",
    )
    result = run("check", "-c", str(path), "--seconds", "1")
    assert result.exit_code == 1
    assert "gamma.1" in result.output
    assert "cannot connect" in result.output
