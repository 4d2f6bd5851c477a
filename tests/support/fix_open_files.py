"""Fails every test that leaves a file, a socket or a pipe open, and names it.

What a fixture of a module or of the session opens is not held against the test that was the first to ask for it.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

OPEN = Path("/proc/self/fd")
_before = pytest.StashKey[set["OpenFile"]]()

OpenFile = tuple[int, str]
"""A descriptor and what it leads to; a socket's or pipe's number tells it from one that was closed and opened again."""


def open_files() -> set[OpenFile]:
    """Return what this process has open."""
    found = set()
    for entry in os.listdir(OPEN):
        try:
            found.add((int(entry), os.readlink(OPEN / entry)))
        except FileNotFoundError:
            continue  # the descriptor that listed the folder, or one closed by another thread
    return found


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Note what is open before the first fixture of a test."""
    item.config.stash[_before] = open_files()
    yield


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> Iterator[None]:
    """Take what a fixture of more than one test opens off that test's account."""
    if fixturedef.scope == "function" or _before not in request.config.stash:
        return (yield)
    before = open_files()
    try:
        return (yield)
    finally:
        request.config.stash[_before] |= open_files() - before


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail a test after whose last fixture more is open than before its first."""
    yield
    if left := _left_open(item.config.stash[_before]):
        names = "\n".join(f"  {number} -> {target}" for number, target in sorted(left))
        pytest.fail(f"the test left open:\n{names}", pytrace=False)


def _left_open(before: set[OpenFile]) -> set[OpenFile]:
    if not open_files() - before:
        return set()
    gc.collect()  # an object in a circle closes its file only now, and warns where that is a mistake
    return open_files() - before
