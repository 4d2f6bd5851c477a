"""The HTTP API of a hub, which pages, commands and other programs share."""
