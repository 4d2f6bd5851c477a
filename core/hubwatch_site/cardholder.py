"""A person with a badge, as detectors may know one: by pseudonym, never by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cardholder:
    """What a hub knows of one person with a badge; times are µs."""

    subject: str
    """The pseudonym that agents send for the badge."""
    home_zone: str | None = None
    shift: str | None = None
    """Name of a shift of the site."""
    on_call: bool = False
    """Whether this person may be called in at any hour."""
    clearance: int = 0
    valid_from: int | None = None
    valid_to: int | None = None
