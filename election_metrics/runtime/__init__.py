"""Processes: the supervisor and its child processes, Dagster's storage, launcher and coordinator."""
