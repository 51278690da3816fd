"""What a newcomer to Dagster would write for the same figures: pandas, a run an hour, `to_sql`."""
