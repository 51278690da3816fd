"""The names of block dumps: which files are dumps, and of which shard."""

import re
from pathlib import PurePosixPath

_LINES = (".jsonl", ".ndjson")
_NAMED_SO = re.compile(r"dump|block|shard|chain|^\d+-\d+$", re.IGNORECASE)
_SHARD = re.compile(r"shard(?:[-_ ]?(?P<number>\d{1,9})(?!\d)|[-_ ](?P<name>[0-9a-z]{1,20}))", re.IGNORECASE)


def is_block_dump(name: str) -> bool:
    """Whether a file with this name (not compressed) is read as blocks: JSON lines, or JSON that is named a dump."""
    lower = name.lower()
    return lower.endswith(_LINES) or (lower.endswith(".json") and bool(_NAMED_SO.search(PurePosixPath(lower).stem)))


def shard_named(path: str) -> str | None:
    """The shard that a path names, in the file's name or the folder nearest to it: "3" of shard-3/1-1000.jsonl."""
    for part in reversed(path.split("/")):
        if (found := _SHARD.search(part)) is not None:
            return found["name"] if found["number"] is None else str(int(found["number"]))
    return None
