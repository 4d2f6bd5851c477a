"""The pages of the console: written by the server, by the same functions and the same rules as the API."""
