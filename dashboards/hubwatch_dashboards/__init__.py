"""Grafana boards as code, over the public views."""
