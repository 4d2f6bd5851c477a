"""Detectors of supply: mains, battery, and what they feed."""
