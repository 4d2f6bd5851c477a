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
from hubwatch_core.plain_text import escaped


def configure(settings: LogSection, stream: TextIO | None = None) -> None:
    """Set up logging for the whole process; call once, before anything is logged."""
    out = sys.stderr if stream is None else stream
    console = settings.format == "console" or (settings.format == "auto" and out.isatty())
    level = getattr(logging, settings.level.upper())
    renderers: list[structlog.typing.Processor] = (
        [_printable, structlog.dev.ConsoleRenderer()]
        if console
        else [structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard module; below warning they speak of their own insides.
    logging.basicConfig(stream=out, level=max(level, logging.WARNING), format="%(levelname)s %(name)s: %(message)s")


def _printable(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """What a topic or a device says must not steer the terminal; JSON has escapes of its own."""
    return {key: escaped(value) if isinstance(value, str) else value for key, value in event.items()}


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger that marks every line with the part of hubwatch it comes from."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(part=name))
