"""A disk in memory for the databases of tests, which come and go by the thousand.

A database is some 800 files. Some file systems take ten times as long to make them where as many were just deleted
(ext4 without a journal passes over every inode of the last seconds; measured: 0.48 s of processor for one database on
such a disk, 0.05 s in memory).
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil

SHARED_MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that must be free before tests put databases there: a dozen servers have some 150 MB each."""


def memory_disk(folder: Path = SHARED_MEMORY, room: int = ROOM) -> Path | None:
    """Return a folder in memory, or None where it is missing, too small or closed to programs."""
    try:
        found = os.statvfs(folder)
    except FileNotFoundError:
        return None
    free = min(found.f_bavail * found.f_frsize, psutil.virtual_memory().available)
    # The embedded PostgreSQL copies its programs beside its data where its user cannot reach them.
    if found.f_flag & os.ST_NOEXEC or free < room or not os.access(folder, os.W_OK):
        return None
    return folder
