"""Reads block dumps as exports of their contracts, and places them on their shards."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PurePosixPath

import duckdb
import pandas as pd
import sqlalchemy as sa

from election_metrics.digest import name_for, new_digest
from election_metrics.lake.blocks import Blocks, read_blocks
from election_metrics.settings import Settings
from election_metrics.sources.archive_names import numbered
from election_metrics.sources.dump_names import shard_named
from election_metrics.sources.export_file import BlockDump, ExportFile, read_content
from election_metrics.sources.export_path import ExportPath
from election_metrics.sources.file_versions import Unreadable
from election_metrics.warehouse import chain

_RANGES = ["path", "member", "shard", "first_height", "last_height", "first_at", "last_at", "blocks", "identities"]


class DumpReader:
    """Reads the dumps of a batch.

    Attributes:
        ranges: blocks without a gap between them, of all dumps that were read: every column of `ingest.block_ranges`.
    """

    def __init__(
        self,
        settings: Settings,
        engine: duckdb.DuckDBPyConnection,
        work: Path,
        known: sa.Connection,
        now: datetime,
    ) -> None:
        """Reads into `work`; what landed before is read from the warehouse (`known`) with the first dump."""
        self._settings, self._engine, self._work, self._known, self._now = settings, engine, work, known, now
        self._shards: dict[str, str] = {}
        self._landed: pd.DataFrame | None = None
        self.ranges = pd.DataFrame(columns=_RANGES)

    def read(self, dump: BlockDump) -> Iterator[ExportFile | Unreadable]:
        """The export of each contract of a dump, and what of it cannot be read."""
        if self._landed is None:
            self._landed, self._shards = chain.read_ranges(self._known), chain.shards_of_contracts(self._known)
        folder = self._work / f"blocks-{name_for(dump.name)}"
        folder.mkdir()
        blocks = read_blocks(self._engine, dump.readable, folder, self._settings, self._now)
        if dump.is_copy:
            dump.readable.unlink()
        names = self._name_shards(dump, blocks, self._landed)
        rows = blocks.ranges.assign(path=dump.version.path, member=dump.member, shard=blocks.ranges["chain"].map(names))
        # Two chains of a dump may turn out to be one.
        rows = rows.sort_values("last_height", ascending=False).drop_duplicates(["shard", "first_height"])
        self.ranges = pd.concat([frame for frame in (self.ranges, rows[_RANGES]) if len(frame)] or [self.ranges])
        seen: Counter[str] = Counter()
        for member in blocks.members:
            self._shards.setdefault(member.contract, names[member.chain])
            name = numbered(seen, _within(dump.member, f"{member.contract}.csv"))
            export = read_content(dump.version, name, ExportPath(member.contract), member.file)
            # A dump that was corrected is other content, also for contracts of which nothing changed.
            content = new_digest()
            content.update(f"{export.content_hash} {blocks.sha256}".encode())
            yield replace(export, content_hash=content.hexdigest(), sha256=blocks.sha256, shard=names[member.chain])
        misplaced = self._misplaced(dump, names)
        told = [*blocks.problems, *([("its shard", misplaced)] if misplaced else []), *self._forks(rows)]
        for where, reason in told:
            yield Unreadable(dump.version, reason, numbered(seen, _within(dump.member, where)))
        if not blocks.members and not blocks.problems:  # so that the ledger knows it
            nothing = folder / "nothing.csv"
            nothing.touch()
            name = _within(dump.member, "no calls")
            yield replace(read_content(dump.version, name, ExportPath(""), nothing), sha256=blocks.sha256)

    def _name_shards(self, dump: BlockDump, blocks: Blocks, landed: pd.DataFrame) -> dict[int, str]:
        """The shard of each chain of a dump: that of its contracts, else that of its path, else a new name."""
        named = shard_named(dump.name)
        before = pd.concat([frame for frame in (landed, self.ranges) if len(frame)] or [landed])
        before = before[(before["path"] != dump.version.path) | (before["member"] != dump.member)]
        names: dict[int, str] = {}
        for number in sorted({*blocks.ranges["chain"], *(member.chain for member in blocks.members)}):
            ranges = blocks.ranges[blocks.ranges["chain"] == number]
            contracts = [member.contract for member in blocks.members if member.chain == number]
            known = Counter(self._shards[contract] for contract in contracts if contract in self._shards)
            if known:
                names[number] = known.most_common(1)[0][0]
            elif named is not None and number == 1:
                names[number] = _of_same_vote(named, ranges, before)
            else:
                wanted = f"{named or PurePosixPath(dump.name).name.partition('.')[0]}#{number}"
                names[number] = _free_name(wanted, {*before["shard"], *names.values()})
        return names

    def _forks(self, rows: pd.DataFrame) -> Iterator[tuple[str, str]]:
        """Heights of which another dump has other blocks: where, and what is said of them."""
        for row in rows.itertuples():
            others = chain.read_overlapping(self._known, row.shard, row.first_height, row.last_height)
            same = self.ranges[(self.ranges["shard"] == row.shard) & (self.ranges["first_height"] <= row.last_height)
                               & (self.ranges["last_height"] >= row.first_height)]  # fmt: skip
            own = _identities(row.first_height, row.identities)
            for other in pd.concat([frame for frame in (others, same) if len(frame)] or [others]).itertuples():
                if (other.path, other.member) == (row.path, row.member):
                    continue
                both = pd.concat([own, _identities(other.first_height, other.identities)], axis=1, join="inner")
                heights = both.index[both.iloc[:, 0] != both.iloc[:, 1]]
                if len(heights):
                    name = f"{other.path}/{other.member}".rstrip("/")
                    yield (
                        f"heights {heights.min()} to {heights.max()}",
                        f"other blocks of {len(heights)} of these heights are in {name}; the calls of both are counted",
                    )

    def _misplaced(self, dump: BlockDump, names: Mapping[int, str]) -> str:
        """Why the shard that the path names is not the one on which its contracts lie; empty if it is."""
        named, own = shard_named(dump.name), names.get(1)
        if named is None or own is None or "#" in own or chain.split_shard(own)[0] == named:
            return ""
        return f"its path names shard {named}, but its contracts lie on shard {own}, to which its blocks are counted"


def _of_same_vote(shard: str, ranges: pd.DataFrame, before: pd.DataFrame) -> str:
    """The name of a shard: of those of another vote, which has blocks of the same heights, it is told by the month."""
    same = before[before["shard"].map(lambda other: chain.split_shard(other)[0]) == shard]
    distances = {
        str(name): _distance(ranges, others)
        for name, others in same.groupby("shard")
        if not _contradict(ranges, others)
    }
    near = min(distances, key=lambda name: distances[name], default=None)
    if near is not None and distances[near] <= chain.ONE_VOTE:
        return near
    if same.empty or ranges.empty:  # without blocks of a known time nothing is covered, whatever the name
        return shard
    return _free_name(chain.join_shard(shard, f"{ranges['first_at'].min():%Y-%m}"), set(before["shard"]))


def _distance(ranges: pd.DataFrame, others: pd.DataFrame) -> pd.Timedelta:
    """The time between blocks and others; none if they overlap."""
    after = ranges["first_at"].min() - others["last_at"].max()
    ahead = others["first_at"].min() - ranges["last_at"].max()
    return max(after, ahead, pd.Timedelta(0))


def _contradict(ranges: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Whether a higher block of one is older than a lower block of the other."""
    pairs = ranges.merge(others, how="cross", suffixes=("", "_other"))
    above = pairs["first_height"] > pairs["last_height_other"]
    below = pairs["last_height"] < pairs["first_height_other"]
    older, newer = pairs["last_at"] < pairs["first_at_other"], pairs["first_at"] > pairs["last_at_other"]
    return bool(((above & older) | (below & newer) | (~above & ~below & (older | newer))).any())


def _identities(first_height: int, identities: str) -> pd.Series:
    """The identity of each block, by height."""
    numbers = [int(number) for number in identities.strip("{}").split(",")]
    return pd.Series(numbers, index=range(first_height, first_height + len(numbers)))


def _free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name


def _within(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
