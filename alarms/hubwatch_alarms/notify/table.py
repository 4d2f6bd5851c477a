"""Every kind of route. To add one: a file with its section, which opens it, and its line in the union here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hubwatch_alarms.notify import apprise, cap, log, services, siren, smtp, webhook

AnyRouteSection = Annotated[
    log.LogRouteSection  # one line a kind of route
    | webhook.WebhookRouteSection
    | smtp.SmtpRouteSection
    | services.PagerDutyRouteSection
    | services.AlertmanagerRouteSection
    | cap.CapRouteSection
    | siren.MqttRouteSection
    | apprise.AppriseRouteSection,
    Field(discriminator="kind"),
]
