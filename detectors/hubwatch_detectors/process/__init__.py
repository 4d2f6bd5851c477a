"""Detectors of plants: pumps, tanks, cold stores, and any single gauge."""
