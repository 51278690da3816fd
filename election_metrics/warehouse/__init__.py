"""PostgreSQL: where it runs, its tables and migrations, the ledger, and atomic replacement."""
