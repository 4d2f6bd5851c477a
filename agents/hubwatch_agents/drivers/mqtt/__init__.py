"""The driver for devices that publish JSON or plain text over MQTT."""
