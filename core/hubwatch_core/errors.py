"""Errors whose type says what to do next.

HubwatchError
├── Transient      try again later: the other side is away or busy
├── Permanent      trying again changes nothing: somebody must change something
│   ├── ConfigError    every mistake of a configuration at once
│   └── BadCall        a command was given what it cannot use
└── Poison         a message that can never be processed; goes to dead_letters whole
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class HubwatchError(Exception):
    """Base of every error hubwatch raises on purpose; its text is one line for an operator."""


class Transient(HubwatchError):
    """The other side is away or busy: back off and try again."""


class Permanent(HubwatchError):
    """Trying again changes nothing: somebody must change something first."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is (file, environment variable or flag), at which key, and what to do."""

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        """Return the mistake as one line, `where: key: message`."""
        return ": ".join(part for part in (self.where, self.key, self.message) if part)


class ConfigError(Permanent):
    """A configuration that cannot be used; `problems` holds every mistake found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class BadCall(Permanent):
    """A command was given what it cannot use; ends it as an unknown option does."""


class Poison(HubwatchError):
    """A message that can never be processed; `reason` is what `dead_letters` keeps beside it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Misdirected(Poison):
    """A message that says another hub or agent than the topic on which it came: a broker's rules are by topic."""
