"""Exit codes beside 0, 1 (it failed) and 2 (it was typed wrongly)."""

PARTLY_READ = 3
"""Something below the source could not be read; all the rest landed."""
NOT_ANSWERED = 4
"""PostgreSQL does not answer; what was printed is what was known last."""
