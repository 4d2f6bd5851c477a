"""Commands that operators give through the running agent."""
