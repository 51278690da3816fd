"""How long work tells how far it is."""

from collections.abc import Callable

Report = Callable[[int, int], None]
"""Called with how much is done, and how much there is in all."""
Progress = Callable[[str, str], Report]
"""Gives a report for a piece of work: what is done, and in which unit it is counted."""
