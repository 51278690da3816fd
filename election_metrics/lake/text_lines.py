"""Lines of a text of any size: how they end, and how many there are."""

from pathlib import Path

_BLOCK = 1 << 24


def end_lines_alike(file: Path) -> None:
    """Ends each line of a text with a line feed, where some have a carriage return: readers of CSV take one kind."""
    with file.open("rb") as content:
        is_alike = not any(b"\r" in block for block in iter(lambda: content.read(_BLOCK), b""))
    if is_alike:
        return
    written = file.with_name(f"{file.name}.lines")
    with (
        file.open(encoding="latin-1", newline=None) as text,
        written.open("w", encoding="latin-1", newline="\n") as out,
    ):
        for block in iter(lambda: text.read(_BLOCK), ""):
            out.write(block)
    written.replace(file)


def count_lines(file: Path) -> int:
    """Lines of a file that are not empty, or a few more."""
    lines, last = 0, b"\n"
    with file.open("rb") as content:
        for block in iter(lambda: content.read(_BLOCK), b""):
            lines += block.count(b"\n") - (last + block).count(b"\n\n")
            last = block[-1:]
    return lines + (last != b"\n")
