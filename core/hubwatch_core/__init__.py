"""The floor of hubwatch: domain words, wire format, configuration, MQTT session, service runner, telemetry."""

__version__ = "0.1.0"
