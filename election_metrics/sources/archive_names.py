"""The names of archives, whose endings are their kinds, and of their members."""

import re
from collections import Counter
from contextlib import suppress

_TAR = r"\.tar(?:\.(?:gz|bz2|xz|zst))?|\.t(?:gz|bz2|bz|b2|xz|zst)"
_ARCHIVE = re.compile(rf"(?:(?P<zip>\.zip)|(?P<tar>{_TAR})|(?P<alone>\.(?:gz|bz2|xz|zst)))$", re.IGNORECASE)
_CYRILLIC = re.compile("[А-Яа-яЁё]")
_BOXES = re.compile("[\u2500-\u259f]")


def split_archive(name: str) -> tuple[str, str | None]:
    """A file name without the ending of an archive, and the kind: zip, tar, alone (one compressed file); or None.

    "x.tar.gz" is ("x", "tar"), "x.csv.gz" is ("x.csv", "alone"), "x.csv" is ("x.csv", None).
    """
    found = _ARCHIVE.search(name)
    return (name, None) if found is None else (name[: found.start()], found.lastgroup)


def numbered(seen: Counter[str], name: str) -> str:
    """A member's name; of several equal ones the later ones are numbered: "a.csv#2". An empty name never is."""
    seen[name] += 1
    return f"{name}#{seen[name]}" if name and seen[name] > 1 else name


def member_name(name: bytes) -> str:
    """A member's name of unknown encoding, with / between folders.

    UTF-8 where it is that; else Russian DOS or Windows, where they give Cyrillic letters and no lines of boxes; else
    code page 437.
    """
    text = None
    with suppress(UnicodeDecodeError):
        text = name.decode("utf-8")
    if text is None:
        dos = name.decode("cp866")
        guesses = (guess for guess in (dos, name.decode("cp1251", "replace")) if not _BOXES.search(guess))
        text = next(filter(_CYRILLIC.search, guesses), dos if _CYRILLIC.search(dos) else name.decode("cp437"))
    return text.replace("\\", "/")
