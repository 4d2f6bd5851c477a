"""What answers of the API hold, for its description: a test checks every answer of every other test against it."""
