"""The same figures as a newcomer to Dagster would compute them: pandas, a run for each hour, `to_sql`."""
