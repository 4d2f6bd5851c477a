"""Alarms: detections become alarms that people handle, and people are told until a message got through."""
