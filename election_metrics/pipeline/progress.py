"""Types of progress reports."""

from collections.abc import Callable

Report = Callable[[int, int], None]
"""Called with (done, total)."""
Progress = Callable[[str, str], Report]
"""Takes a label and a unit, and returns a report for that piece of work."""
