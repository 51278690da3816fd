"""The hash that identifies file contents and names: BLAKE3, which is collision-resistant.

The authors of exports choose their bytes, paths and ids. With a hash that is only fast, they could make two different
files look the same. Beside it stands SHA-256, which anybody can check with tools that every system has.
"""

import hashlib
from pathlib import Path

from blake3 import blake3

_BYTES_OF_NAME = 20


def new_digest() -> blake3:
    """A new hash: `update` adds bytes, `hexdigest()` returns 64 digits."""
    return blake3()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, 64 digits, as sha256sum prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def name_for(text: str | bytes) -> str:
    """A name of 40 hexadecimal digits for a text of any length."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return blake3(data).hexdigest(length=_BYTES_OF_NAME)
