"""A process of parts: start, stop, exit codes."""

from hubwatch_core.process.cli_errors import EXIT_CONFIG, EXIT_FAILED, EXIT_INTERRUPTED, border
from hubwatch_core.process.service import Context, Part, serve

__all__ = ["EXIT_CONFIG", "EXIT_FAILED", "EXIT_INTERRUPTED", "Context", "Part", "border", "serve"]
