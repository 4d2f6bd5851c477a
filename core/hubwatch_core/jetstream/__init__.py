"""Frames from a NATS JetStream cluster."""

from hubwatch_core.jetstream.link import JetStreamSession

__all__ = ["JetStreamSession"]
