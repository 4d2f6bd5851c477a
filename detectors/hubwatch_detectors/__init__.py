"""Detectors: judge what agents send, in event time, and store what they find."""
