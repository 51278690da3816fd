"""Exit codes besides 0, 1 (error) and 2 (wrong usage)."""

PARTLY_READ = 3
"""Some of the input could not be read; the rest landed."""
NOT_ANSWERED = 4
"""PostgreSQL does not answer; the last known state was printed."""
