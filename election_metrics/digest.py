"""The hash that identifies file contents and names: BLAKE3, which is collision-resistant.

The authors of exports choose their bytes, paths and ids. With a hash that is only fast, they could make two different
files look the same.
"""

from blake3 import blake3

_BYTES_OF_NAME = 20


def new_digest() -> blake3:
    """A new hash: `update` adds bytes, `hexdigest()` returns 64 digits."""
    return blake3()


def name_for(text: str | bytes) -> str:
    """A name of 40 hexadecimal digits for a text of any length."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return blake3(data).hexdigest(length=_BYTES_OF_NAME)
