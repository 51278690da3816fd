"""Text of others in the terminal: without markup, and without anything that the terminal would obey."""

from rich.markup import escape

from election_metrics.sanitize import visible


def shown(text: object) -> str:
    """The text as rich prints it, letter by letter."""
    return escape(visible(text))
