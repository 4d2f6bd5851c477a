"""The driver for Sparkplug B edge nodes."""
