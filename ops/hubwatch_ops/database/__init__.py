"""The commands on the database."""
