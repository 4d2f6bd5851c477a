"""`hubwatch up`: one file for three components."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from hubwatch_core.errors import ConfigError, Permanent
from hubwatch_core.process import Context
from hubwatch_ops.up import load
from support.children import run
from support.pki_folder import PASSPHRASE, PkiFolder
from support.sample_certificates import with_certificates

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "run-one-hub.md"


def file(folder: Path, text: str) -> Path:
    path = folder / "hub.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_shared_sections_reach_every_component(tmp_path: Path) -> None:
    hub = load(file(tmp_path, '[mqtt]\nport = 1999\n[database]\nmax_connections = 9\n[collector.intake]\ngroup = ""\n'))
    assert hub.collector.mqtt.port == hub.detectors.mqtt.port == 1999
    assert (
        hub.collector.database.max_connections
        == hub.detectors.database.max_connections
        == hub.alarms.database.max_connections
        == 9
    )
    assert hub.collector.intake.group == ""


def test_mistakes_of_all_components_are_told_at_once_with_their_keys(tmp_path: Path) -> None:
    text = (
        "[mqtt]\nport = 0\n[collector.intake]\nbatch = 1\n[detectors.access]\nheld_s = -1\n[alarms]\nnope = 1\n[nix]\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(file(tmp_path, text))
    keys = {problem.key for problem in caught.value.problems}
    assert keys == {"mqtt.port", "collector.intake.batch", "detectors.access.held_s", "alarms.nope", "nix"}


def test_conflicts_inside_components_are_told_beside_other_mistakes(tmp_path: Path) -> None:
    text = (
        f'[mqtt]\nport = 0\npassword_file = "{tmp_path}/pw"\n[detectors.access]\nattack_per_h = 0.1\n'
        '[detectors.plugins.other]\n[[alarms.routes]]\nname = "pigeon"\nkind = "pigeon"\n'
        '[[alarms.routes]]\nname = "duty"\nkind = "log"\n'
        '[[alarms.routes]]\nname = "duty"\nkind = "webhook"\nurl = "nowhere"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(file(tmp_path, text), check_files=True)
    assert [problem.key for problem in caught.value.problems] == [
        "mqtt.port",
        "mqtt.password_file",
        "detectors.access.attack_per_h",
        "detectors.plugins.other",
        "alarms.routes[0].kind",
        "alarms.routes[2].name",
        "alarms.routes[2].url",
    ]


def test_what_the_alarms_table_points_to_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[radiation]\ntitle = 1\n", encoding="utf-8")
    (tmp_path / "token").touch()
    text = (
        f'[telemetry]\nport = 0\ntoken_file = "{tmp_path}/token"\n'
        f'[alarms]\ninstructions_file = "{tmp_path}/own.toml"\n'
        '[[alarms.routes]]\nname = "pigeon"\nkind = "pigeon"\n'
        '[[alarms.routes]]\nname = "duty"\nkind = "webhook"\nurl = "https://example.org/"\n'
        'secret_env = "HUBWATCH_TEST_VARIABLE_THAT_IS_NOT_SET"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(file(tmp_path, text), check_files=True)
    found = [(problem.where.rpartition("/")[2], problem.key) for problem in caught.value.problems]
    assert sorted(found) == [
        ("hub.toml", "alarms.routes[0].kind"),
        ("hub.toml", "alarms.routes[1].secret_env"),
        ("hub.toml", "telemetry.token_file"),
        ("own.toml", ""),
    ]


def test_sample_is_a_valid_configuration(tmp_path: Path) -> None:
    sample = run("up", "--sample-config")
    assert sample.returncode == 0
    missing = run("up", "-c", str(file(tmp_path, sample.stdout)), "--check-config")
    assert "mqtt.tls.ca_file: /etc/hubwatch/certs/ca.pem cannot be read" in missing.stderr
    path = file(tmp_path, with_certificates(sample.stdout, PkiFolder(tmp_path)))
    checked = run("up", "-c", str(path), "--check-config")
    assert checked.returncode == 0, checked.stderr
    assert "valid hub configuration" in checked.stdout


def test_sample_explains_what_is_shared_once() -> None:
    headers = re.findall(
        r"^(?:# )?\[([a-z.]+)\]",
        (resources.files("hubwatch_ops") / "sample.toml").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert len(headers) == len(set(headers))
    assert not any(header.startswith(("collector.mqtt", "detectors.database", "alarms.log")) for header in headers)


def test_without_a_file_it_says_how_to_get_one() -> None:
    done = run("up")
    assert done.returncode == 2
    assert "--sample-config" in done.stderr


def test_configuration_in_the_howto_is_valid(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", HOWTO.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.strip() for line in block.splitlines()]
    assert tomllib.loads("\n".join(lines))
    load(file(tmp_path, "\n".join(lines)))


def blocks(page: str) -> list[str]:
    text = (HOWTO.parent / page).read_text(encoding="utf-8")
    found = re.findall(r"^( *)```toml\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def test_hub_of_the_howto_of_enrolment_demands_certificates_and_signatures(tmp_path: Path) -> None:
    (block,) = blocks("enrol-a-gateway.md")
    hub = load(file(tmp_path, block))
    assert (hub.collector.intake.signatures, hub.detectors.signatures) == ("require", "require")
    assert hub.collector.mqtt.tls != hub.detectors.mqtt.tls
    assert hub.enrolment is not None


@pytest.mark.parametrize("block", [each for each in blocks("harden.md") if "[privacy]" not in each])
def test_what_hardens_a_hub_is_valid(tmp_path: Path, block: str) -> None:
    load(file(tmp_path, block))


def test_component_may_have_a_certificate_of_its_own(tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / name).touch()
    shared = '[mqtt]\nhost = "hub"\n[mqtt.tls]\nca_file = "ca"\n'
    own = '[detectors.mqtt_tls]\nca_file = "ca"\ncert_file = "cert"\nkey_file = "key"\n'
    hub = load(file(tmp_path, shared + own))
    assert hub.collector.mqtt.tls.cert_file is None
    assert (hub.detectors.mqtt.host, str(hub.detectors.mqtt.tls.cert_file)) == ("hub", "cert")
    with pytest.raises(ConfigError) as caught:
        load(file(tmp_path, f"{shared}[detectors.mqtt_tls]\nkey_file = 'key'\n[alarms.mqtt_tls]\nca_file = 'ca'\n"))
    keys = {problem.key for problem in caught.value.problems}
    assert keys == {"detectors.mqtt_tls.ca_file", "alarms.mqtt_tls"}


def test_enrolment_is_a_part_where_it_is_configured(tmp_path: Path) -> None:
    pki = PkiFolder(tmp_path)
    own = pki.service("enrolment")
    (tmp_path / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
    text = f"""
[enrolment]
cert_file = "{own.cert_file}"
key_file = "{own.key_file}"
pki_folder = "{pki.authority.folder}"
passphrase_file = "{tmp_path / "passphrase"}"
broker = "hub.example:8883"
"""
    hub = load(file(tmp_path, text), check_files=True)
    assert hub.parts(Context.make("up"))[0].name == "enrolment"
    (tmp_path / "passphrase").write_text("another passphrase", encoding="utf-8")
    with pytest.raises(Permanent, match="does not open with this passphrase"):
        load(file(tmp_path, text)).parts(Context.make("up"))
    assert all(part.name != "enrolment" for part in load(file(tmp_path, "")).parts(Context.make("up")))


CONSOLE = """
[console.api]
port = 0
"""


def test_console_is_a_part_where_it_is_configured_and_follows_what_alarms_say(tmp_path: Path) -> None:
    hub = load(file(tmp_path, f"[alarms.shelving]\nmax_s = 600\n[database]\nmax_connections = 9\n{CONSOLE}"))
    assert hub.parts(Context.make("up"))[0].name == "api"
    assert (hub.console.shelving.max_s, hub.console.database.max_connections) == (600, 9)
    assert load(file(tmp_path, "[console]\n")).console.api.port == 8443
    assert load(file(tmp_path, "")).console is None


def test_console_may_log_in_to_the_database_as_itself(tmp_path: Path) -> None:
    own = '[console.database]\ndsn = "postgresql://hubwatch_console@/hubwatch"\n'
    hub = load(file(tmp_path, CONSOLE + own))
    assert hub.console.database.dsn == "postgresql://hubwatch_console@/hubwatch"
    assert hub.collector.database.dsn != hub.console.database.dsn


def test_mistakes_of_the_console_are_told_beside_others_with_their_keys(tmp_path: Path) -> None:
    pki = PkiFolder(tmp_path)
    ours, other = pki.service("console"), pki.service("enrolment")
    text = """
[mqtt]
port = 0
[alarms.shelving]
max_s = -1
[console]
instructions_file = "x"
[console.api]
host = "0.0.0.0"
[console.login]
idle_s = 7200
absolute_s = 3600
"""
    keys = {"mqtt.port", "alarms.shelving.max_s", "console.instructions_file", "console.api.cert_file"}
    with pytest.raises(ConfigError) as caught:
        load(file(tmp_path, text), check_files=True)
    assert {problem.key for problem in caught.value.problems} == keys | {"console.login.idle_s"}
    assert len(caught.value.problems) == 5
    wrong = f'[console.api]\ncert_file = "{ours.cert_file}"\nkey_file = "{other.key_file}"\n'
    with pytest.raises(ConfigError, match="key values mismatch") as caught:
        load(file(tmp_path, wrong), check_files=True)
    assert [problem.key for problem in caught.value.problems] == ["console.api.cert_file"]
