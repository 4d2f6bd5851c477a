"""What people show that they are who they say: passwords, codes of a second factor, and the token they hold."""
