"""The composition root: the `hubwatch` command, `demo`, `up`, embedded services."""
