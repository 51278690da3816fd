"""Reads a damaged file line by line: a copy of the valid lines with line numbers, and the others with the reason.

Only files in which the fast reader found errors are read here; clean files never are.
"""

import json
from pathlib import Path
from typing import BinaryIO

_SEPARATORS = 11
_SHOWN = 200
_OTHER_SEPARATORS = {b"\t": "tabs", b'",': "commas"}


def write_numbered_copy(source: Path, copy: Path, rejects: Path, max_line_bytes: int) -> int:
    """Copies each line of 12 UTF-8 fields as `<number>;<line>`; writes the other lines to `rejects`.

    Args:
        source: the damaged file.
        copy: file for the valid lines, each with its number (from 1) as an additional first field.
        rejects: file for the other lines, one JSON object each: line_number, reason, content (the start of the line).
        max_line_bytes: longer lines are rejected unread, which limits memory.

    Returns:
        The number of copied lines.
    """
    kept = 0
    with source.open("rb") as lines, copy.open("wb") as good, rejects.open("w", encoding="utf-8") as bad:
        number = 0
        # The additional field makes a line longer, so it is subtracted from the reader's limit.
        while line := lines.readline(max_line_bytes - 32):
            number += 1
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            size = len(line)
            if not line.endswith(b"\n") and size >= max_line_bytes - 32:
                size += _skip_rest(lines)
                reason: str | None = f"the line is longer than {max_line_bytes} bytes: {size}"
            else:
                line = line.removesuffix(b"\n").removesuffix(b"\r")
                reason = _why_not_whole(line)
            if reason is None:
                good.write(b"%d;%s\n" % (number, line))
                kept += 1
            else:
                content = line[:_SHOWN].decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
                bad.write(json.dumps({"line_number": number, "reason": reason, "content": content}) + "\n")
    return kept


def _skip_rest(lines: BinaryIO) -> int:
    skipped = 0
    while block := lines.readline(1 << 20):
        skipped += len(block)
        if block.endswith(b"\n"):
            break
    return skipped


def _why_not_whole(line: bytes) -> str | None:
    if b"\r" in line:
        return "the line contains a carriage return; lines end in a line feed, alone or after one"
    if line.count(b";") != _SEPARATORS:
        others = [name for byte, name in _OTHER_SEPARATORS.items() if line.count(byte) >= _SEPARATORS]
        hint = (
            f"; they are separated by {others[0]}: re-saved by a spreadsheet? Take the original file" if others else ""
        )
        return f"12 fields are expected, {line.count(b';') + 1 if line else 0} found{hint}"
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        hint = "; it looks like Windows-1251: save the file as UTF-8" if _is_windows_1251(line) else ""
        return f"bad UTF-8 at byte {error.start + 1} of the line{hint}"
    return None


_MOSTLY = 0.9
_RUSSIAN = frozenset("АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ«»№—–")


def _is_windows_1251(line: bytes) -> bool:
    """Whether the bytes beyond ASCII are nearly all Russian letters and signs in Windows-1251."""
    beyond = bytes(byte for byte in line if byte >= 0x80)
    letters = beyond.decode("cp1251", "replace").upper()
    return sum(letter in _RUSSIAN for letter in letters) >= _MOSTLY * len(beyond)


_SAMPLE = 4_096
_MARKS = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""Byte order marks, the longer ones first. With much Russian text, fewer characters hold a NUL."""
_ENCODINGS = {"UTF-32": 4, "UTF-16": 2}  # bytes of a character
_NEARLY_ALL, _HARDLY_ANY = 0.8, 0.1


def wide_encoding(source: Path) -> str | None:
    """UTF-16 or UTF-32, if the beginning of the file is in one of them; None: it is not.

    Exports are nearly all ASCII: in these encodings one byte of a character is set, at the same place, and the others
    are NUL. Single NULs, or blocks of them, look different.
    """
    with source.open("rb") as file:
        head = file.read(_SAMPLE)
    for mark, name in _MARKS.items():
        if head.startswith(mark) and head.count(0) >= _HARDLY_ANY * len(head):
            return name
    for name, width in _ENCODINGS.items():
        text = head[: len(head) // width * width]
        if len(text) < 4 * width:
            continue
        shares = sorted(text[place::width].count(0) * width / len(text) for place in range(width))
        if shares[0] <= _HARDLY_ANY and shares[1] >= _NEARLY_ALL:
            return name
    return None
