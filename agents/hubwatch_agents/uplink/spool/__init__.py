"""The disk spool: every frame lies here before it is sent, and until the broker has taken it."""
