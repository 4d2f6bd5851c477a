"""Drivers: how devices are read, one folder a protocol."""
