"""Reads block dumps: of every contract in them, an export with the same transactions, in the portal's format.

A dump has a block a line. It is read in pieces of whole lines, in bounded memory; ballots and other bytes that no
figure needs are left out. So the calls of an export and of a dump are classified by the same SQL.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from io import FileIO
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from election_metrics.lake.contract_files import append_calls
from election_metrics.lake.engine import sql
from election_metrics.settings import Settings

_PIECE = 1 << 25
_BATCH = 1 << 22
_LONGEST = 4
"""Times MAX_LINE_BYTES: a block holds many transactions."""
_MOST_PROBLEMS = 1_000
_DEEPEST_FORK = 10
_MINUTE_MS = 60_000
_AHEAD = timedelta(hours=1)
_SHOWN = 300
_HEIGHT = re.compile(rb'"height": *([0-9]{1,15})')
"""As in blocks.sql."""
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Member:
    """The export of one contract: which chain of the dump it lies on (from 1), and its file."""

    contract: str
    chain: int
    file: Path


@dataclass(frozen=True)
class Blocks:
    """What a dump holds.

    Attributes:
        members: the export of each contract.
        ranges: blocks without a gap between them: chain (from 1), first_height, last_height, first_at, last_at (UTC;
            the times of the first and the last block), blocks, identities (a number for each height, as a PostgreSQL
            array: another block of the height has another one).
        problems: what cannot be read: where (line 17, height 1234), and why.
        sha256: of the bytes.
    """

    members: list[Member]
    ranges: pd.DataFrame
    problems: list[tuple[str, str]]
    sha256: str


def read_blocks(
    connection: duckdb.DuckDBPyConnection, dump: Path, folder: Path, settings: Settings, now: datetime
) -> Blocks:
    """Reads a dump (not compressed) and writes the exports of its contracts below `folder`.

    Args:
        connection: of the engine in this process.
        dump: the file.
        folder: an empty folder.
        settings: the settings.
        now: current time, which decides whether the time of a block is too far ahead.

    Raises:
        OSError: the dump cannot be read, or an export cannot be written.
    """
    reading = _Reading(folder, settings, now)
    connection.execute(sql("macros_blocks"))
    with dump.open("rb", buffering=0) as file:
        for piece in _read_ahead(reading.pieces(file)):
            reading.take(connection, piece)
    connection.execute("DROP TABLE IF EXISTS calls")
    return reading.result()


@dataclass
class _Piece:
    """Whole lines: their bytes, where each ends, and the number of the first (from 1)."""

    content: memoryview
    ends: list[int]
    first: int


def _read_ahead(pieces: Iterator[_Piece]) -> Iterator[_Piece]:
    """The pieces, of which the next is read (and hashed) while one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, pieces, None)
        while (piece := following.result()) is not None:
            following = reader.submit(next, pieces, None)
            yield piece


def _chains(blocks: pd.DataFrame) -> np.ndarray:
    """The chain of each block, from 1: chains that follow one another in a dump have the same heights.

    Where no height comes twice, there is one chain, in whatever order its blocks are. Another chain begins where the
    height falls to heights of which the chain has other blocks, and more of them than a fork has: more than 10, or
    half of the chain's. Fewer are a fork, wherever they stand.
    """
    if not blocks.drop_duplicates(["height", "identity"])["height"].duplicated().any():
        return np.ones(len(blocks), dtype="int64")
    heights, identity = blocks["height"].to_numpy("int64"), blocks["identity"].to_numpy()
    begins, start = np.zeros(len(heights), dtype="int64"), 0
    falls = (np.flatnonzero(heights[1:] < heights[:-1]) + 1).tolist()  # few: for each chain, and where out of order
    for place, until in pairwise([*falls, len(heights)]):
        before = pd.Series(identity[start:place], index=heights[start:place])
        before = before[~before.index.duplicated()]
        same_height = before.reindex(heights[place:until])
        others = int((same_height.notna() & (same_height.to_numpy() != identity[place:until])).sum())
        if others > _DEEPEST_FORK or (others > 1 and others * 2 >= len(before)):
            begins[place], start = 1, place
    chains: np.ndarray = np.cumsum(begins) + 1
    return chains


class _Reading:
    def __init__(self, folder: Path, settings: Settings, now: datetime) -> None:
        self.folder, self.longest = folder, settings.max_line_bytes * _LONGEST
        self.calls = sql("blocks").replace("{latest_ms}", str(int((now + _AHEAD).timestamp() * 1000)))
        self.digest = sha256()
        self.lines = self.problems_more = 0
        self.problems: list[tuple[int, int | None, str]] = []
        self.blocks: list[pd.DataFrame] = []
        self.members: dict[str, tuple[Path, int]] = {}

    def pieces(self, file: FileIO) -> Iterator[_Piece]:
        """The lines of a file, some at a time; longer ones than are read become problems."""
        rest, is_first = b"", True
        while True:
            # Read into place after the rest, because copies of pieces take as long as reading them.
            content = bytearray(len(rest) + _PIECE)
            content[: len(rest)] = rest
            read = file.readinto(memoryview(content)[len(rest) :])
            if not read:
                break
            end_of_read = len(rest) + read
            self.digest.update(memoryview(content)[len(rest) : end_of_read])
            begin = len(_BOM) if is_first and content.startswith(_BOM) else 0
            is_first = False
            end = content.rfind(b"\n", 0, end_of_read) + 1
            rest = bytes(memoryview(content)[max(end, begin) : end_of_read])
            if end:
                yield self._piece(content, begin, end)
            if len(rest) > self.longest:
                rest = self._skip(file, rest)
        if rest:
            yield self._piece(bytearray(rest + b"\n"), 0, len(rest) + 1)

    def _piece(self, content: bytearray, begin: int, end: int) -> _Piece:
        ends, place = [], content.find(b"\n", begin, end) + 1
        while place:
            ends.append(place - begin)
            place = content.find(b"\n", place, end) + 1
        first = self.lines + 1
        self.lines += len(ends)
        return _Piece(memoryview(content)[begin:end], ends, first)

    def _skip(self, file: FileIO, begin: bytes) -> bytes:
        """Passes over a line that is too long; returns what was read of the next one."""
        self.lines += 1
        self.problem(self.lines, _height_of(begin), f"the block is longer than {self.longest:,} bytes")
        while block := file.read(_PIECE):
            self.digest.update(block)
            if end := block.find(b"\n") + 1:
                return block[end:]
        return b""

    def problem(self, line: int, height: int | None, reason: str) -> None:
        """Adds what cannot be read."""
        if len(self.problems) >= _MOST_PROBLEMS:
            self.problems_more += 1
            return
        self.problems.append((line, height, reason))

    def take(self, connection: duckdb.DuckDBPyConnection, piece: _Piece) -> None:
        """Reads the blocks of a piece, and appends their transactions to the exports."""
        if not piece.ends:
            return
        connection.register("dump_lines", self._lines(piece))
        connection.execute(f"CREATE OR REPLACE TEMP TABLE calls AS {self.calls}")
        connection.unregister("dump_lines")
        blocks = connection.execute(
            "SELECT line, any_value(height) AS height, any_value(block_ms) AS block_ms, any_value(reason) AS reason, "
            "any_value(identity) AS identity FROM calls GROUP BY line ORDER BY line"
        ).df()
        for row in blocks[blocks["reason"].notna()].itertuples():
            self.problem(row.line, None if pd.isna(row.height) else int(row.height), row.reason)
        whole = blocks.loc[blocks["reason"].isna(), ["line", "height", "block_ms", "identity"]]
        whole = whole.astype({"height": "int64", "block_ms": "int64"})
        for row in whole[whole["block_ms"] < 0].itertuples():
            self.problem(row.line, row.height, "the time of the block is ahead of the clock; its calls are counted")
        self.blocks.append(whole)
        for row in connection.execute(
            "SELECT line, height, problem FROM calls WHERE problem IS NOT NULL ORDER BY line"
        ).fetchall():
            self.problem(*row)
        calls = connection.sql(
            "SELECT contract, line, export_line FROM calls WHERE export_line IS NOT NULL ORDER BY contract, line, place"
        )
        append_calls(calls.to_arrow_table().combine_chunks(), self._file_of)

    def _lines(self, piece: _Piece) -> pa.Table:
        """The lines as a table without a copy; lines that are not UTF-8 become problems."""
        ends = np.array(piece.ends, dtype="int64")
        numbers = np.arange(piece.first, piece.first + len(ends))
        offsets = pa.py_buffer(np.concatenate([[0], ends]).astype("int64").tobytes())
        lines = pa.LargeStringArray.from_buffers(len(ends), offsets, pa.py_buffer(piece.content))
        table = pa.table({"content": lines, "line": numbers})
        try:
            lines.validate(full=True)
        except pa.ArrowInvalid:
            is_text = np.array(
                [
                    self._is_text(one.as_buffer().to_pybytes(), number)
                    for one, number in zip(lines.cast(pa.large_binary()), numbers.tolist(), strict=True)
                ]
            )
            table = table.filter(pa.array(is_text))
        some = max(int(_BATCH // max(len(piece.content) // len(ends), 1)), 1)
        starts = range(0, table.num_rows, some)
        batches = [batch for start in starts for batch in table.slice(start, some).to_batches()]
        return pa.Table.from_batches(batches, table.schema)

    def _is_text(self, line: bytes, number: int) -> bool:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            self.problem(number, _height_of(line), f"the block is not UTF-8 (byte {error.start + 1:,})")
            return False
        return True

    def _file_of(self, contract: str, line: int) -> Path:
        return self.members.setdefault(contract, (self.folder / f"{contract}.csv", line))[0]

    def result(self) -> Blocks:
        """Everything, once the last piece is read."""
        blocks = pd.concat(self.blocks, ignore_index=True) if self.blocks else _NO_BLOCKS
        blocks = blocks.assign(chain=_chains(blocks) if len(blocks) else 0)
        chain_of_line = blocks.set_index("line")["chain"]
        for fork in _forks(blocks).itertuples():
            reason = f"another block of this height is on line {fork.other}; the calls of both are counted"
            self.problem(fork.line, fork.height, reason)
        timed = blocks[blocks["block_ms"] >= 0]
        for block in _out_of_time(timed).itertuples():
            self.problem(
                block.line, block.height, "the time of the block does not fit to those around it; its calls are counted"
            )
        problems = [
            (f"line {line}" if height is None else f"line {line}, height {height}", reason)
            for line, height, reason in sorted(self.problems, key=lambda problem: problem[0])
        ]
        if self.problems_more:
            problems.append(("further lines", f"{self.problems_more:,} more blocks or calls cannot be read"))
        return Blocks(
            members=[
                Member(contract, int(chain_of_line[line]), file)
                for contract, (file, line) in sorted(self.members.items())
            ],
            ranges=_ranges(timed),
            problems=problems,
            sha256=self.digest.hexdigest(),
        )


_NO_BLOCKS = pd.DataFrame({"line": [], "height": [], "block_ms": [], "identity": []}, dtype="int64")


def _forks(blocks: pd.DataFrame) -> pd.DataFrame:
    """Blocks of which an earlier line has another one of the same chain and height: line, height, other (its line)."""
    keys = ["chain", "height"]
    again = blocks[blocks.duplicated(keys, keep=False)].drop_duplicates([*keys, "identity"])
    other = again.groupby(keys)["line"].transform("min")
    return again.assign(other=other)[again["line"] > other]


def _ranges(blocks: pd.DataFrame) -> pd.DataFrame:
    """Blocks of consecutive heights as one row each, in whatever order they came.

    A block with a wrong time must not stretch what they cover: the first time is not before that of any lower block,
    the last time not after that of any higher one.
    """
    ordered = blocks.sort_values(["chain", "height"], kind="stable")
    times = ordered.groupby(["chain", "height"])["block_ms"]
    ordered = ordered.assign(block_ms=times.transform("min")).drop_duplicates(["chain", "height"])
    follows = (ordered["chain"] == ordered["chain"].shift()) & (ordered["height"] <= ordered["height"].shift() + 1)
    since = ordered.groupby("chain")["block_ms"].cummax()
    until = ordered[::-1].groupby("chain")["block_ms"].cummin()
    groups = ordered.assign(since=since, until=until).groupby((~follows).cumsum().to_numpy())
    ranges = groups.agg(
        chain=("chain", "first"), first_height=("height", "first"), last_height=("height", "last"),
        first_at=("since", "first"), last_at=("until", "last"), blocks=("height", "nunique"),
        identities=("identity", _as_array),
    )  # fmt: skip
    ranges["last_at"] = ranges[["first_at", "last_at"]].max(axis=1)
    for moment in ("first_at", "last_at"):
        ranges[moment] = pd.to_datetime(ranges[moment], unit="ms", utc=True)
    return ranges.reset_index(drop=True)


def _as_array(identities: pd.Series) -> str:
    return "{" + ",".join(map(str, identities.tolist())) + "}"


def _out_of_time(blocks: pd.DataFrame) -> pd.DataFrame:
    """Blocks of which the time does not fit to those of lower and higher ones, by more than a minute: line, height."""
    ordered = blocks.sort_values(["chain", "height"], kind="stable")
    lower = ordered.groupby("chain")["block_ms"].cummax()
    higher = ordered[::-1].groupby("chain")["block_ms"].cummin().loc[ordered.index]
    too_early = ordered[lower - ordered["block_ms"] > _MINUTE_MS]
    too_late = ordered[ordered["block_ms"] - higher > _MINUTE_MS]
    return too_early if len(too_early) < len(too_late) else too_late  # one wrong time makes all others look wrong


def _height_of(line: bytes) -> int | None:
    """The height of a block that cannot be read, if its beginning says it."""
    found = _HEIGHT.search(line[:_SHOWN])
    return None if found is None else int(found[1])
