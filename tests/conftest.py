"""Fixtures for every test, and the closing word about tests that did not run for want of a service."""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

from support import services

# Importing and listing the tests makes millions of objects that all stay: looking for garbage among them takes nearly
# as long as making them, in every worker.
gc.disable()

# As in the systemd units: what a test writes as a secret is one, and is refused if others could read it.
os.umask(0o077)

# A loaded machine is no fault of ours: neither the time of an example nor that of making one is judged.
settings.register_profile("hubwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hubwatch")

pytest_plugins = [
    "pytester", "support.fix_databases", "support.fix_console", "support.fix_mqtt", "support.fix_nats",
    "support.fix_open_files",
]  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look for garbage from now on, and not among what was made before the first test."""
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests did not run for want of which service."""
    lines = services.summary(terminalreporter.stats.get("skipped", []))
    if lines:
        terminalreporter.section("not run for want of a service", sep="=", yellow=True, bold=True)
        for line in lines:
            terminalreporter.line(line)
