"""Detectors along fences."""
