"""What keeps the system running: the supervisor and its parts, Dagster's storage, launcher and coordinator."""
