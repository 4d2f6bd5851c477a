"""What an agent says of itself."""
