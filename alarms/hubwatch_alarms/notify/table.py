"""Every kind of route. To add one: its file, and a line in each of the two tables here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hubwatch_alarms.notify.log import LogRoute, LogRouteSection
from hubwatch_alarms.notify.route import Route
from hubwatch_alarms.notify.webhook import WebhookRoute, WebhookRouteSection

AnyRouteSection = Annotated[
    LogRouteSection | WebhookRouteSection,
    Field(discriminator="kind"),
]


def make_route(settings: LogRouteSection | WebhookRouteSection) -> Route:
    """Make the route of these settings; raises Permanent when its secret cannot be read."""
    match settings:
        case LogRouteSection():
            return LogRoute(settings)
        case WebhookRouteSection():
            return WebhookRoute(settings)
