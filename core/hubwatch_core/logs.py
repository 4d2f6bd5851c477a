"""Structured logs: one line an event, on standard error.

Levels by consequence: error = data lost or a part stopped; warning = something is wrong and hubwatch goes on;
info = what an operator expects to see; debug = never once per reading or frame.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO, cast

import structlog

from hubwatch_core.config import LogSection
from hubwatch_core.plain_text import escaped, escaped_json, escaped_line
from hubwatch_core.secret_text import without_passwords


def configure(settings: LogSection, stream: TextIO | None = None) -> None:
    """Set up logging for the whole process; call once, before anything is logged."""
    out = sys.stderr if stream is None else stream
    console = settings.format == "console" or (settings.format == "auto" and out.isatty())
    level = getattr(logging, settings.level.upper())
    renderers: list[structlog.typing.Processor] = (
        [_printable, structlog.dev.ConsoleRenderer()]
        if console
        else [structlog.processors.JSONRenderer(ensure_ascii=False), _printable_json]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_passwords,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard module; below warning they speak of their own insides.
    handler = logging.StreamHandler(out)
    handler.setFormatter(_PlainFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING))


class _PlainFormatter(logging.Formatter):
    """Writes what libraries log, which may repeat what came over a wire, as text and nothing else."""

    def format(self, record: logging.LogRecord) -> str:
        return without_passwords(escaped(super().format(record)))


_OF_LINES = frozenset({"exception", "stack"})
"""Keys whose values are our own tracebacks; in any other a line break would begin a line that nobody wrote."""


def _printable(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """What a topic or a device says must not steer the terminal."""
    return {
        escaped_line(key): (escaped if key in _OF_LINES else escaped_line)(value) if isinstance(value, str) else value
        for key, value in event.items()
    }


def _printable_json(_logger: object, _method: str, line: object) -> str:
    """JSON escapes by itself only what is below U+0020."""
    return escaped_json(str(line))


def _without_passwords(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """No line shows the password of an address, wherever it came from."""
    return {key: without_passwords(value) if isinstance(value, str) else value for key, value in event.items()}


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger that marks every line with the part of hubwatch it comes from."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(part=name))
