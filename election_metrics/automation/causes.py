"""Causes of failures in plain words, from the messages of errors; and what to type."""

import re

_LONGEST_REASON = 300
STATUS = "election-metrics status"
DISK_FULL = "a disk is full"

# Patterns of error messages, the cause in plain words, and what to type.
_WORDS = (
    (r"no space left|disk quota exceeded|could not extend file|disk of .* is full", DISK_FULL, STATUS),
    (r"OperationalError|psycopg|server closed the connection|PostgreSQL is away|PostgreSQL does not answer"
     r"|connection to server", "PostgreSQL was away or busy", STATUS),
    (r"MemoryError|Out of ?Memory|OutOfMemoryException|could not allocate", "there was too little memory; give more by "
     "ELECTION_METRICS_MEMORY_LIMIT", STATUS),
    (r"run's process is gone|run worker|was killed|SIGKILL", "its process was killed", STATUS),
)  # fmt: skip


def in_our_words(reason: str) -> tuple[str, str]:
    """The cause in plain words, with the original message; and what to type."""
    original = _CLASS.sub("", " ".join(reason.split()))
    if (known := known_cause(reason)) is not None:
        words, do = known
        return f"{words} ({shortened(original, _LONGEST_REASON)})", do
    return shortened(original, _LONGEST_REASON), STATUS


_CLASS = re.compile(r"\b(?:[a-z_]+\.)+[A-Z]\w+: ")  # an exception's class, as Dagster prints it


def shortened(text: str, most: int = 100) -> str:
    """The first characters of a text that is longer than `most`, with an ellipsis; else the text."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def cause_of(reason: str) -> str:
    """A key that is equal for equal causes: a known cause by its name, any other without numbers, ids and times."""
    line = " ".join(reason.split())
    if (known := known_cause(line)) is not None:
        return known[0]
    without_ids = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "#", line)
    return re.sub(r"\d+", "#", without_ids)[:200]


def known_cause(reason: str) -> tuple[str, str] | None:
    """A known cause in plain words, and what to type; None if the cause is not known."""
    line = " ".join(reason.split())
    return next(((words, do) for pattern, words, do in _WORDS if re.search(pattern, line, re.IGNORECASE)), None)
