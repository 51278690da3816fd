"""The one hash by which contents and names are told apart: BLAKE3, of which nobody finds two inputs that are alike.

Whoever writes exports chooses their bytes, their paths and their ids. A hash that is only fast would let him make two
of them that are one to us.
"""

from blake3 import blake3

_BYTES_OF_NAME = 20


def new_digest() -> blake3:
    """Takes bytes by `update`; its `hexdigest()` has 64 digits."""
    return blake3()


def name_for(text: str | bytes) -> str:
    """A short name, of 40 hexadecimal digits, for a text of any length."""
    given = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return blake3(given).hexdigest(length=_BYTES_OF_NAME)
