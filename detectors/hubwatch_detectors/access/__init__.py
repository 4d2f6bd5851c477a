"""Detectors at doors."""
