"""Detectors of gas and chemicals."""
