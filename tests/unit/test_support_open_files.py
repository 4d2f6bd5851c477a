"""The guard that fails a test which leaves a file open."""

from __future__ import annotations

from pathlib import Path

import pytest

LEAK = """
import os
import socket
import pytest

KEPT = []

@pytest.fixture(scope="module")
def of_the_module():
    fd = os.open(__file__, os.O_RDONLY)
    yield
    os.close(fd)

@pytest.fixture
def forgetful():
    KEPT.append(socket.socket())

def test_closes():
    os.close(os.open(__file__, os.O_RDONLY))

def test_leaks_a_file():
    os.open(__file__, os.O_RDONLY)

def test_leaks_a_device():
    os.open(os.devnull, os.O_RDONLY)

def test_whose_fixture_leaks_a_socket(forgetful):
    pass

def test_first_to_ask_for_what_a_module_has_open(request):
    request.getfixturevalue("of_the_module")
"""


def test_test_that_leaves_something_open_fails_and_names_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    path = pytester.makepyfile(LEAK)
    result = pytester.runpytest_subprocess("-p", "support.fix_open_files", "-rE")
    result.assert_outcomes(passed=5, errors=3)
    result.stdout.fnmatch_lines(["*test_leaks_a_file*", "the test left open:", f"  * -> {path}"])
    result.stdout.fnmatch_lines(["*test_whose_fixture_leaks_a_socket*", "the test left open:", "  * -> socket:*"])
