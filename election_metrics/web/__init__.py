"""Shared by the Dagster UI and the API: host names, body sizes, timeouts of connections."""
