"""The only door to the database: pool, COPY, ledger, migrations, and SQL in `.sql` files."""
