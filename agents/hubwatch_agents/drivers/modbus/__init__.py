"""The Modbus driver: plan, poll, check and decode."""
