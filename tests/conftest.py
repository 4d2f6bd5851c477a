"""Fixtures for every test, and the closing word about tests that did not run for want of a service."""

from __future__ import annotations

import pytest

from support import services

pytest_plugins = ["support.fix_databases", "support.fix_mqtt", "support.fix_nats"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests did not run for want of which service."""
    lines = services.summary(terminalreporter.stats.get("skipped", []))
    if lines:
        terminalreporter.section("not run for want of a service", sep="=", yellow=True, bold=True)
        for line in lines:
            terminalreporter.line(line)
