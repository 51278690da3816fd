"""Sources of transactions: list files and tables, and open them; lines are parsed elsewhere."""
