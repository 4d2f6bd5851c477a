"""Detectors of what cannot be trusted: frozen values, silent sensors, agents that are away."""
