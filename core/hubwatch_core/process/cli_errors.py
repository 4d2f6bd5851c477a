"""The border between commands and people: what goes wrong becomes one clear line and an exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from hubwatch_core.errors import BadCall, ConfigError, HubwatchError
from hubwatch_core.terminal import say

EXIT_FAILED = 1
EXIT_CONFIG = 2
EXIT_INTERRUPTED = 130

P = ParamSpec("P")
R = TypeVar("R")


def border(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command: what goes wrong is told in a line, or a line per mistake.

    A ConfigError or BadCall ends it with code 2, as Typer's own refusals do, other HubwatchErrors with 1.
    """

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except ConfigError as error:
            many = len(error.problems)
            _say(f"the configuration has {many} mistake{'s' if many != 1 else ''}:")
            for problem in error.problems:
                _say(f"  {problem}")
            raise SystemExit(EXIT_CONFIG) from None
        except HubwatchError as error:
            _say(f"hubwatch: {error}")
            raise SystemExit(EXIT_CONFIG if isinstance(error, BadCall) else EXIT_FAILED) from None
        except KeyboardInterrupt:
            raise SystemExit(EXIT_INTERRUPTED) from None

    return guarded


def _say(line: str) -> None:
    say(line, err=True)
