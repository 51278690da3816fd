"""Published tallies: votes by option of each question, as a contract writes them when its votes are counted."""

import json
from typing import Any

_MOST_QUESTIONS, _MOST_OPTIONS, _MOST_VOTES = 100, 10_000, 10**12
_SHOWN = 200
_LIMITS = 3
"""Of a question: the fewest and the most options that a ballot marks, and the number of options."""


def read_tally(text: str | None) -> str:
    """A tally as JSON: a list of votes by option for each question; an object with `unreadable` if it is none.

    A contract with one question may write its list alone.
    """
    found = _read(text)
    if isinstance(found, list) and found and all(_is_count(one, _MOST_VOTES) for one in found):
        found = [found]
    if _are_lists(found, _MOST_VOTES) and all(found):
        return json.dumps(found)
    return json.dumps({"unreadable": (text or "nothing").replace("\0", "")[:_SHOWN]})


def read_dimension(text: str) -> str | None:
    """The limits of each question as JSON: [fewest, most, options]; None if the text is none."""
    found = _read(text)
    if isinstance(found, list) and len(found) == _LIMITS and all(_is_count(one, _MOST_OPTIONS) for one in found):
        found = [found]
    if _are_lists(found, _MOST_OPTIONS) and all(len(one) == _LIMITS and one[0] <= one[1] for one in found):
        return json.dumps(found)
    return None


def _read(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _are_lists(found: Any, most: int) -> bool:
    return (
        isinstance(found, list)
        and 0 < len(found) <= _MOST_QUESTIONS
        and all(isinstance(one, list) and len(one) <= _MOST_OPTIONS for one in found)
        and all(_is_count(count, most) for one in found for count in one)
    )


def _is_count(found: Any, most: int) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= most
