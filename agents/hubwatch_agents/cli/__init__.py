"""The commands `hubwatch agent …`."""
