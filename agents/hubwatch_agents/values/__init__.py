"""What becomes of a raw value on its way into a reading."""
