"""Appends calls, as lines of the portal's export, to the file of each contract."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa


def append_calls(calls: pa.Table, file_of: Callable[[str, int], Path]) -> None:
    """Appends lines to the files of their contracts, without looking at single lines.

    Args:
        calls: contract, line (a number), export_line (with its line feed), sorted by contract; in one chunk.
        file_of: returns the file of a contract; also given the `line` of its first call here.
    """
    if not calls.num_rows:
        return
    text = calls["export_line"].chunk(0)
    offsets = np.frombuffer(text.buffers()[1], dtype="int32" if pa.types.is_string(text.type) else "int64")
    offsets, content = offsets[text.offset :], memoryview(text.buffers()[2])
    keys = calls.select(["contract", "line"]).to_pandas()
    begins = np.flatnonzero((keys["contract"] != keys["contract"].shift()).to_numpy())
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(keys)], strict=True):
        with file_of(str(keys["contract"].iloc[begin]), int(keys["line"].iloc[begin])).open("ab") as export:
            export.write(content[offsets[begin] : offsets[end]])
