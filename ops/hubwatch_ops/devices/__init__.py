"""Agents and sensors over time, as people say it: taken away for good, replaced, moved, renamed."""
