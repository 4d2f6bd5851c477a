"""Detectors of radiation."""
