"""Takes frames from a broker into the database: commit first, acknowledge after."""
