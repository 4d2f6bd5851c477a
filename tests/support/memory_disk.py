"""A disk in memory for the databases of tests, which come and go by the thousand.

A database is some 800 files. Some file systems take ten times as long to make them where as many were just deleted
(ext4 without a journal passes over every inode of the last seconds; measured: 0.48 s of processor for one database on
such a disk, 0.05 s in memory).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

SHARED_MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that must be free before tests put databases there: a dozen servers have some 150 MB each."""
CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def memory_disk(folder: Path = SHARED_MEMORY, room: int = ROOM) -> Path | None:
    """Return a folder in memory, or None where it is missing, too small or closed to programs."""
    try:
        found = os.statvfs(folder)
    except FileNotFoundError:
        return None
    # In a container the free memory is that of the machine; the limit of the container is another.
    free = min(found.f_bavail * found.f_frsize, psutil.virtual_memory().available, *memory_limits())
    # The embedded PostgreSQL copies its programs beside its data where its user cannot reach them.
    if found.f_flag & os.ST_NOEXEC or free < room or not os.access(folder, os.W_OK):
        return None
    return folder


def memory_limits(own: Path = OWN_GROUPS, groups: Path = CONTROL_GROUPS) -> Iterator[int]:
    """Yield the limits of memory, in bytes, of the control groups that this process is in; of both versions."""
    lines = own.read_text(encoding="utf-8").splitlines() if own.exists() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, name = groups, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = groups / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = top / path.lstrip("/")
        for each in {top, group, *(parent for parent in group.parents if parent.is_relative_to(top))}:
            file = each / name
            limit = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
            if limit.isdigit():  # else "max"
                yield int(limit)
