"""What is installed: locked with hashes, under licences that are known, and listed."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
UNLOCKED = {"bench"}
"""For measuring only; never installed where hubwatch runs."""
OF_THE_IMAGE = ("collector", "detectors", "alarms", "apprise", "console", "dashboards", "backup")

PERMISSIVE = re.compile(
    r"MIT(-0)?\b|BSD|0BSD|Apache|ISC|PSF|Python Software Foundation|Python-2\.0|Zlib|CC0|Unlicense|The Unlicense"
    r"|Historical Permission",
    re.IGNORECASE,
)
WEAK_COPYLEFT = {
    "psycopg": "LGPL-3.0: used as a library and unchanged",
    "psycopg-binary": "LGPL-3.0: the same",
    "paho-mqtt": "EPL-2.0 or BSD-3-Clause: taken under the second",
    "fqdn": "MPL-2.0: unchanged",
    "hypothesis": "MPL-2.0: in tests only",
    "pathspec": "MPL-2.0: unchanged",
    "certifi": "MPL-2.0: a list of certificates, unchanged",
    "tqdm": "MPL-2.0 and MIT: unchanged",
}
SAYS_NOTHING = {
    "pyrage": "MIT, in its repository",
    "axe-playwright-python": "MIT, in its files; axe-core within it MPL-2.0, unchanged: in tests only",
    "verlib2": "BSD and PSF, in its files",
    "rfc3987-syntax": "MIT, in its repository",
}
"""Distributions whose metadata name no licence, and where it stands."""


def _pins(name: str) -> dict[str, Version]:
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    found: dict[str, Version] = {}
    for block in re.split(r"\n(?=\S)", text.strip()):
        head = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", block)
        assert head, f"{name}: {block.splitlines()[0]}"
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), f"{name}: {head[1]} has no hash"
        found[canonicalize_name(head[1])] = Version(head[2])
    return found


def _wanted(extras: tuple[str, ...]) -> Iterator[Requirement]:
    for text in [*PROJECT["dependencies"], *(each for extra in extras for each in EXTRAS[extra])]:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) == "hubwatch":
            yield from _wanted(tuple(requirement.extras))
        else:
            yield requirement


@pytest.mark.parametrize("name", [*sorted(set(EXTRAS) - UNLOCKED), "hub"])
def test_extra_is_locked_with_hashes_inside_its_ranges(name: str) -> None:
    pins = _pins(name)
    for requirement in _wanted(OF_THE_IMAGE if name == "hub" else (name,)):
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked: run `make locks`"
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}: {version} is locked"


def test_what_builds_hubwatch_is_locked() -> None:
    assert "hatchling" in _pins("build")


def test_locks_name_no_index() -> None:
    texts = [file.read_text(encoding="utf-8") for file in sorted((ROOT / "locks").iterdir())]
    assert not [text for text in texts if "http://" in text or "https://" in text or "--index" in text]


def _licences(distribution: metadata.Distribution) -> str:
    fields = distribution.metadata
    classifiers = [each for each in fields.get_all("Classifier") or [] if each.startswith("License ::")]
    first = "".join(fields.get_all("License") or []).strip().splitlines()[:1]
    return " | ".join([*(fields.get_all("License-Expression") or []), *first, *classifiers]).strip(" |")


def test_every_licence_is_one_that_is_known() -> None:
    strange: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        said = _licences(distribution)
        if name == "hubwatch" or name in WEAK_COPYLEFT or name in SAYS_NOTHING:
            continue
        if not PERMISSIVE.search(said) or re.search(r"(?<!L)GPL|AGPL|SSPL|Commons Clause|BUSL", said):
            strange[name] = said
    assert strange == {}, "new licences are decided on, in this file"


def test_nothing_that_a_gateway_installs_is_copyleft_without_a_word() -> None:
    pins = _pins("agent")
    assert {name for name in pins if name in WEAK_COPYLEFT} <= {"paho-mqtt"}


def test_bill_of_materials_is_made_by_one_command() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", ".venv/.installed", "sbom"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "cyclonedx-py environment" in done.stdout
    assert "build/sbom.cdx.json" in done.stdout
