"""Escapes untrusted text for the terminal: markup and control characters are printed literally."""

from rich.markup import escape

from election_metrics.sanitize import visible


def shown(text: object) -> str:
    """The text, escaped so that rich prints it literally."""
    return escape(visible(text))
