"""Detectors of screening lanes."""
