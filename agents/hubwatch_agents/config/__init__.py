"""Reads, checks and reloads an agent's configuration."""
