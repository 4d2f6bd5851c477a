"""Configuration: sections, and reading a TOML file with every mistake told at once."""

from hubwatch_core.config.keys import in_file_order, key_of
from hubwatch_core.config.load import ENV_PREFIX, ENV_SEPARATOR
from hubwatch_core.config.plain_link import ALLOW_PLAIN, first_given, sent_in_the_clear
from hubwatch_core.config.secret_file import SecretFile, read_secret
from hubwatch_core.config.section import Conflict, Partial, Section
from hubwatch_core.config.sections import (
    ConfigId,
    LogSection,
    MqttSection,
    NatsSection,
    ServerTlsSection,
    TelemetrySection,
    TlsSection,
)
from hubwatch_core.config.tls import client_context, server_context
from hubwatch_core.config.validate import Mistake, validate

__all__ = [
    "ALLOW_PLAIN",
    "ENV_PREFIX",
    "ENV_SEPARATOR",
    "ConfigId",
    "Conflict",
    "LogSection",
    "Mistake",
    "MqttSection",
    "NatsSection",
    "Partial",
    "SecretFile",
    "Section",
    "ServerTlsSection",
    "TelemetrySection",
    "TlsSection",
    "client_context",
    "first_given",
    "in_file_order",
    "key_of",
    "read_secret",
    "sent_in_the_clear",
    "server_context",
    "validate",
]
