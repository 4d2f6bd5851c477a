"""An authority of one's own: its keys, what it issues and revokes, and what each machine may do."""
