"""Text of others (names of folders and files, words in transactions), made fit to be shown.

What is stored stays as it came; only what is shown to a person passes here. Every package may import it.
"""

import re

# C0 and C1 controls, line and paragraph separators, and those that turn the direction of writing.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|!#~])")


def visible(text: object) -> str:
    r"""The text on one line, with what a terminal would obey written out: `\x1b[2J` clears no screen."""
    return _CONTROLS.sub(lambda found: rf"\x{ord(found[0]):02x}", str(text))


def one_line(text: object) -> str:
    """The same where line breaks are ours: they become spaces."""
    return visible(" ".join(str(text).split()))


def escape_markdown(text: object) -> str:
    """The same, as plain words within Markdown: no link, no picture, no further cell of a table."""
    return _MARKDOWN.sub(r"\\\1", visible(text))
