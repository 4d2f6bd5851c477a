"""Who the agent is: its key, which never leaves the gateway, and the certificate that the hub gave it."""
