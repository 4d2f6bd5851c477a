"""Environment variables that nothing reads.

Components share one environment, so each takes only the sections it has and leaves the others alone. Whether nobody has
a section can be told here only, where all of them are known. A stray variable is told and no more: it may be there for
a container or a test, and must not keep a hub from being watched.
"""

from __future__ import annotations

from collections.abc import Iterable

from hubwatch_core.config import ENV_PREFIX, ENV_SEPARATOR

_SECTIONS = """
access alarms clock collector commands database delivery detectors engine frozen intake log mqtt nats perimeter
presence privacy radiation_portal shelving spool telemetry
"""
SECTIONS = frozenset(_SECTIONS.split())
"""The sections of all components, and of `hubwatch up`; a test compares them with the components' own."""


def unread(names: Iterable[str]) -> list[str]:
    """Give those `HUBWATCH_SECTION__KEY` whose section nobody has. Names without a section are not judged."""
    found = []
    for name in sorted(names):
        section, separator, _ = name.removeprefix(ENV_PREFIX).partition(ENV_SEPARATOR)
        if name.startswith(ENV_PREFIX) and separator and section.lower() not in SECTIONS:
            found.append(name)
    return found
