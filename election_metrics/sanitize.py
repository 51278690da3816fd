"""Escapes untrusted text (file names, transaction fields) for display.

Text is stored unchanged and escaped only where it is shown to a person. Every package may import this module.
"""

import re

# C0 and C1 controls, line and paragraph separators, and controls of the writing direction.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|!#~])")


def visible(text: object) -> str:
    r"""The text on one line, with control characters written out: `\x1b[2J` does not clear the screen."""
    return _CONTROLS.sub(lambda found: rf"\x{ord(found[0]):02x}", str(text))


def one_line(text: object) -> str:
    """Like `visible`, for text with trusted line breaks, which become spaces."""
    return visible(" ".join(str(text).split()))


def escape_markdown(text: object) -> str:
    """Like `visible`, and escaped for Markdown: no links, images or additional table cells."""
    return _MARKDOWN.sub(r"\\\1", visible(text))
