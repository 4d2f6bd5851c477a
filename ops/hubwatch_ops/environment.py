"""Environment variables that nothing reads.

Components share one environment, so each takes only the sections it has and leaves the others alone. Whether nobody has
a section can be told here only, where all of them are known. A stray variable is told and no more: it may be there for
a container or a test, and must not keep a hub from being watched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

from hubwatch_core.config import ENV_PREFIX, ENV_SEPARATOR

_SAMPLES = (
    "hubwatch_agents",
    "hubwatch_collector",
    "hubwatch_detectors",
    "hubwatch_alarms",
    "hubwatch_console",
    "hubwatch_ops",
)
_TABLE = re.compile(r"^(?:# )?\[+([a-z_]+)[.\]]", re.MULTILINE)
_ARRAY = re.compile(r"^(?:# )?\[\[([a-z_]+)\]\]", re.MULTILINE)


@cache
def sections() -> frozenset[str]:
    """Return the sections of all components, and of `hubwatch up`: the tables of their samples.

    The samples are made from the models; to import those would take longer than the command that is given.
    """
    texts = [(resources.files(each) / "sample.toml").read_text(encoding="utf-8") for each in _SAMPLES]
    names = {name for text in texts for name in _TABLE.findall(text)}
    return frozenset(names - {name for text in texts for name in _ARRAY.findall(text)})


def unread(names: Iterable[str]) -> list[str]:
    """Return those `HUBWATCH_SECTION__KEY` whose section nobody has. Names without a section are not judged."""
    found = []
    for name in sorted(names):
        section, separator, _ = name.removeprefix(ENV_PREFIX).partition(ENV_SEPARATOR)
        if name.startswith(ENV_PREFIX) and separator and section.lower() not in sections():
            found.append(name)
    return found
