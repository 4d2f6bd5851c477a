"""Tests that lack a service are named at the end, and fail where services are required."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support import services

TESTS = Path(services.__file__).parents[1]
INNER_TEST = """
def test_needs_database(timescale_dsn): ...
def test_needs_broker_and_nats(mosquitto, nats): ...
def test_needs_nothing(): ...
"""


def _run_without_services(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    conftest = (TESTS / "conftest.py").read_text(encoding="utf-8")
    blind = "from pathlib import Path\nservices.ENV_FILE = Path('absent')\n"
    (folder / "conftest.py").write_text(conftest + blind, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n", encoding="utf-8")
    (folder / "test_inner.py").write_text(INNER_TEST, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if name != "HUBWATCH_REQUIRE_SERVICES"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env=clean | {"PYTHONPATH": str(TESTS)} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_tests_not_run_are_listed_with_the_service_they_want(tmp_path: Path) -> None:
    done = _run_without_services(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "not run for want of a service" in done.stdout
    assert "timescaledb: not started, `make services` does  test_inner.py::test_needs_database" in done.stdout
    assert "mosquitto: not started, `make services` does  test_inner.py::test_needs_broker_and_nats" in done.stdout
    assert "1 passed, 2 skipped" in done.stdout


def test_missing_services_fail_the_run_where_services_are_required(tmp_path: Path) -> None:
    done = _run_without_services(tmp_path, HUBWATCH_REQUIRE_SERVICES="1")
    assert done.returncode == 1
    assert "needs the service timescaledb" in done.stdout
    assert "1 passed, 2 errors" in done.stdout


def test_service_that_died_after_its_start_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        env = tmp_path / "env"
        env.write_text(f"MOSQUITTO_HOST=127.0.0.1\nMOSQUITTO_PORT={taken.getsockname()[1]}\n", encoding="utf-8")
        monkeypatch.setattr(services, "ENV_FILE", env)
        monkeypatch.delenv("HUBWATCH_REQUIRE_SERVICES", raising=False)
        services.started.cache_clear()
        with pytest.raises(pytest.skip.Exception, match="nothing listens"):
            services.mosquitto_address()
    services.started.cache_clear()
