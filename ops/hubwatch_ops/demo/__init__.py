"""A simulated hub, guarded by the real program: devices that speak real Modbus TCP and MQTT, and scripted attacks."""
