"""This process among those of its machine, and whether another one of the same machine has ended."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process: its host and number for people; `machine` and `began` tell it from all others for ever.

    `machine` is the running kernel and its process namespace, empty where they are not known; `began` is in the
    kernel's ticks since its start.
    """

    host: str
    pid: int
    machine: str
    began: int

    def __str__(self) -> str:
        """Return it as an operator looks for it."""
        return f"process {self.pid} on {self.host}"


def this_process() -> Process:
    """Return the process we are."""
    return Process(socket.gethostname(), os.getpid(), _machine(), began(os.getpid()) or 0)


def is_over(process: Process, here: Process) -> bool:
    """Return whether a process is known to have ended; False when it may run elsewhere."""
    if not here.machine or process.machine != here.machine:
        return False
    return began(process.pid) != process.began


def began(pid: int) -> int | None:
    """Return when a process of this machine began, None when there is none of that number or it has ended."""
    try:
        # The name of the program stands in brackets, and may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    state, start = fields[0], fields[19]
    return None if state in {"Z", "X"} else int(start)


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except (OSError, ValueError):
        return ""
