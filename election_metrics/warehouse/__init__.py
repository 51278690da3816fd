"""PostgreSQL: the server, tables and migrations, the ledger, and atomic replacement of rows."""
