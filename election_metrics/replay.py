"""Turns a turnout series into portal exports in their exact format, for the demo, tests and benchmarks.

A replay streams: it holds one bucket of one constituency in memory, whatever the size of the tree. It counts
everything it writes, so it also knows the expected result (`expected.json`).
"""

import contextlib
import csv
import hashlib
import json
import shutil
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from election_metrics.clock import HOUR, HOUR_MS, hour_start
from election_metrics.counts import NAMES
from election_metrics.errors import DataError, SettingsError, SourceError

_BASE58 = np.frombuffer(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", dtype=np.uint8)
_BASE64 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", dtype=np.uint8)
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_GARBAGE = ("not a transaction at all", "1;2;3;4;5;6;7;8;9;10;11", "id;104;sig;3;abc;key;0;;[];[];{};",
            "id;104;sig;3;1789000000000;key;0;;[{broken;[];{};", "")  # fmt: skip
COUNTS = tuple(name for name in NAMES if name != "anomaly_count")


@dataclass(frozen=True)
class Voting:
    """One constituency of a replay. `key` is its name in the series; the contract id is derived from it."""

    key: str
    name: str
    election: str
    registered_voters: int | None
    region: str
    time_zone: str

    @property
    def contract_id(self) -> str:
        """A base58 id of 44 characters that depends on the key and the election only."""
        digest = hashlib.sha512(f"{self.election}/{self.key}".encode()).digest()[:44]
        return bytes(_BASE58[np.frombuffer(digest, dtype=np.uint8) % 58]).decode()


@dataclass(frozen=True)
class Bucket:
    """Counts of one constituency from `start` on, for `seconds`."""

    voting: Voting
    start: datetime
    seconds: int
    bulletins: int
    votes: int


@dataclass
class Replay:
    """What a replay wrote, and the figures that a correct pipeline computes from it."""

    files: int = 0
    bytes: int = 0
    lines: int = 0
    rejected: int = 0
    hours: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    votings: dict[str, Voting] = field(default_factory=dict)
    starts: dict[str, datetime] = field(default_factory=dict)
    ends: dict[str, datetime] = field(default_factory=dict)

    def expected(self) -> dict[str, object]:
        """The content of `expected.json`: rows of `hourly_stats` by constituency and hour (UTC), and totals."""
        return {
            "lines": self.lines,
            "rejected": self.rejected,
            "constituencies": {
                contract: {
                    "key": voting.key,
                    "election": voting.election,
                    "registered_voters": voting.registered_voters,
                    "hours": self.hours.get(contract, {}),
                }
                for contract, voting in sorted(self.votings.items())
            },
        }


def read_series(path: Path, scale: float = 1.0, region: str = "77 - город Москва") -> Iterator[Bucket]:
    """Reads a turnout series, row by row (twice: the smallest gap between two rows is the width of a bucket).

    Columns: bucket_start, bulletins_issued, votes_cast, and (optional) constituency, name, election,
    registered_voters, region, time_zone. Rows of a constituency must be contiguous, in order of time.
    The whole series is validated before the first bucket is returned, so that nothing is half-written.

    Args:
        path: the CSV file.
        scale: factor for all counts; rounding never loses more than one of a running total.
        region: region of rows that name none, as the portal writes it.

    Raises:
        SettingsError: the scale is invalid.
        SourceError: the file cannot be read.
        DataError: a column is missing or a value is wrong; the line is named.
    """
    if not 0 <= scale <= _MOST:
        raise SettingsError(f"the scale is {scale}; it must be a number from 0 to {_MOST}")
    seconds = _bucket_width(path, scale, region)
    running: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for _, row in _read_rows(path, scale, region):
        totals = running[row.identity]
        before = [int(total * scale + 1e-9) for total in totals]
        totals[0] += row.bulletins
        totals[1] += row.votes
        after = [int(total * scale + 1e-9) for total in totals]
        yield Bucket(row.voting, row.start, seconds, after[0] - before[0], after[1] - before[1])


_NEEDED = ("bucket_start", "bulletins_issued", "votes_cast")
_MOST = 100_000_000
"""Upper limit of a count: no bucket and no register is larger."""


@dataclass(frozen=True)
class _Row:
    """A validated row of a series."""

    voting: Voting
    start: datetime
    bulletins: int
    votes: int

    @property
    def identity(self) -> tuple[str, str]:
        """The contract id is derived from these."""
        return self.voting.election, self.voting.key


def _read_rows(path: Path, scale: float, region: str) -> Iterator[tuple[int, _Row]]:
    """The rows with their line numbers, each valid by itself."""
    for number, fields in _lines(path):
        try:
            start, bulletins, votes = _start(fields), *(_count(fields, name, scale) for name in _NEEDED[1:])
            voting = _voting(fields, scale, region)
            start = start.replace(tzinfo=ZoneInfo(voting.time_zone)) if start.tzinfo is None else start
            yield number, _Row(voting, start, bulletins, votes)
        except ValueError as error:
            raise DataError(f"{path}: line {number}: {error}") from None


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The fields of each line by column, with the line's number; refuses a header without the needed columns."""
    number = 1
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as text:
            reader = csv.reader(text)
            header = next(reader, [])
            missing = set(_NEEDED) - set(header)
            if missing:
                raise DataError(f"{path}: line 1: missing columns: {', '.join(sorted(missing))}")
            twice = sorted({name for name in header if header.count(name) > 1})
            if twice:
                raise DataError(f"{path}: line 1: columns that stand twice: {', '.join(twice)}")
            for fields in reader:
                number = reader.line_num
                if fields:
                    yield number, _by_column(header, fields)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    except csv.Error as error:
        raise DataError(f"{path}: line {number + 1}: {error}") from None
    except _LineError as error:
        raise DataError(f"{path}: line {number}: {error}") from None


class _LineError(ValueError):
    """What is wrong with a line."""


def _by_column(header: Sequence[str], fields: Sequence[str]) -> dict[str, str]:
    if len(fields) < len(header):
        raise _LineError(f"{header[len(fields)]} is missing")
    if any(fields[len(header) :]):
        raise _LineError(f"there are {len(fields)} fields, and the header has {len(header)}")
    text = "".join(fields)
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _LineError("it is no text in UTF-8")
    if "\0" in text:
        raise _LineError("it holds a NUL")
    return dict(zip(header, fields, strict=False))


def _start(fields: Mapping[str, str]) -> datetime:
    text = fields["bucket_start"]
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"bucket_start is {text!r}, and must be a time such as 2026-09-18T08:00:00+03:00") from None
    if not 2000 <= start.year <= _LAST_YEAR:
        raise ValueError(f"bucket_start is {text!r}, and must be from 2000 to {_LAST_YEAR}")
    return start


_LAST_YEAR = 9998


def _count(fields: Mapping[str, str], name: str, scale: float = 1) -> int:
    text = fields[name]
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, and must be a whole number") from None
    if number < 0:
        raise ValueError(f"{name} is {number}, and cannot be negative")
    if number > _MOST or number * scale > _MOST:
        raise ValueError(f"{name} is {number}, which is more than {_MOST} (times the scale)")
    return number


def _voting(fields: Mapping[str, str], scale: float, region: str) -> Voting:
    registered = None
    if fields.get("registered_voters"):
        registered = round(_count(fields, "registered_voters") * scale)
    zone = fields.get("time_zone") or "Europe/Moscow"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"time_zone is {zone!r}, and must be an IANA time zone such as Europe/Moscow") from None
    return Voting(
        key=fields.get("constituency") or "all",
        name=fields.get("name") or fields.get("constituency") or "Вся страна",
        election=fields.get("election") or "Replay",
        registered_voters=registered,
        region=fields.get("region") or region,
        time_zone=zone,
    )


def _bucket_width(path: Path, scale: float, region: str) -> int:
    """Seconds between the closest two rows of a constituency: empty buckets may be omitted, so larger gaps are ignored.

    Raises:
        DataError: rows of a constituency contradict one another; the line is named.
    """
    narrowest, before, ended = 3600, None, set[tuple[str, str]]()
    for number, row in _read_rows(path, scale, region):
        if before is not None and before.identity == row.identity:
            problem = _contradiction(before, row)
            narrowest = min(narrowest, int((row.start - before.start).total_seconds()))
        else:
            ended |= set() if before is None else {before.identity}
            is_apart = row.identity in ended
            problem = f"rows of {row.voting.key!r} stand apart, and must stand together" if is_apart else None
        if problem is not None:
            raise DataError(f"{path}: line {number}: {problem}")
        before = row
    return narrowest


def _contradiction(before: _Row, row: _Row) -> str | None:
    """What is wrong with a row, given the previous row of its constituency; None if nothing is."""
    step = row.start - before.start
    if step < timedelta(seconds=1):
        return (
            f"bucket_start {row.start.isoformat()} is not after {before.start.isoformat()} of the row before, "
            "by a second or more; rows of a constituency must stand in order of time, each bucket once"
        )
    if row.voting != before.voting:
        return f"{row.voting.key!r} has another name, register, region or time zone than in the row before"
    return None


class _Random:
    """Fast random texts: long ones are cut from a pool, ids are drawn each time."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        pool = 1 << 21
        self._base64 = bytes(_BASE64[self.rng.integers(0, 64, pool)]).decode()
        self._hex = bytes(_HEX[self.rng.integers(0, 16, pool)]).decode()

    def ids(self, count: int, length: int = 44) -> list[str]:
        drawn = bytes(_BASE58[self.rng.integers(0, 58, count * length, dtype=np.uint8)]).decode()
        return [drawn[at : at + length] for at in range(0, count * length, length)]

    def base64(self, length: int) -> str:
        at = int(self.rng.integers(0, len(self._base64) - length))
        return self._base64[at : at + length]

    def hex(self, length: int) -> str:
        at = int(self.rng.integers(0, len(self._hex) - length))
        return self._hex[at : at + length]

    def user(self) -> str:
        """A voter's id; its end is drawn each time, so that ids are unique."""
        return f"{self.hex(48)}{int(self.rng.integers(0, 2**63)):016x}"

    def chance(self, rate: float) -> bool:
        return bool(self.rng.random() < rate)


@dataclass
class _Line:
    """A transaction: its id, its line, its time in epoch milliseconds."""

    transaction_id: str
    text: str
    ms: int


class _Writer:
    """Writes the lines of one constituency into its hourly files, in order of time."""

    def __init__(
        self, replay: Replay, voting: Voting, out: Path, random: _Random, *, zipped: bool, faults: bool
    ) -> None:
        self.replay, self.voting, self.out, self.random = replay, voting, out, random
        self.zipped, self.faults = zipped, faults
        self.zone = ZoneInfo(voting.time_zone)
        self.contract = voting.contract_id
        self.registrar = random.ids(1)[0]
        self.hour: datetime | None = None
        self.began = False
        self.file: TextIO | None = None
        self.tail: list[str] = []
        self.later: list[str] = []
        self.cast: list[str] = []
        self.hours: dict[str, dict[str, int]] = replay.hours.setdefault(self.contract, {})
        replay.votings[self.contract] = voting

    def count(self, ms: int, counter: str | None) -> None:
        label = hour_start(ms // HOUR_MS).strftime("%Y-%m-%dT%H:00:00Z")
        row = self.hours.setdefault(label, dict.fromkeys(COUNTS, 0))
        if counter is not None:
            row[counter] += 1
        if counter != "withdrawn":
            row["transaction_count"] += 1

    def open_hour(self, ms: int) -> None:
        local = datetime.fromtimestamp(ms // 1000, tz=self.zone).replace(minute=0, second=0, microsecond=0)
        if self.hour == local:
            return
        self.close_file()
        if self.hour is not None and self.began:
            self.write_empty_files(self.hour, local)
        self.hour = local
        self.create_file(local)
        if self.faults:
            if self.tail and self.random.chance(0.5):
                self.put(self.tail[-3:])  # the file overlaps the one before
            self.put(self.later)
            self.later = []
        self.tail = []

    def write_empty_files(self, after: datetime, before: datetime) -> None:
        """Writes empty files for hours without transactions, as the portal does."""
        hour = (after.astimezone(UTC) + HOUR).astimezone(self.zone)
        while hour < before:
            # An hour that is repeated at the end of summer time has one name, and its file may exist already.
            if not any(self._place(hour)[0].glob("*")):
                self.create_file(hour)
                self.close_file(silent=True)
            hour = (hour.astimezone(UTC) + HOUR).astimezone(self.zone)

    def _place(self, local: datetime) -> tuple[Path, str]:
        """The folder of the hour's file, and the file's name without its ending."""
        end = local + timedelta(hours=1)
        stem = f"{self.contract}_{local:%Y-%m-%d}_{local:%H%M}-{end:%H%M}"
        place = (self.voting.region, self.voting.election, self.voting.name, self.contract, stem)
        return self.out.joinpath(*(_file_name(part) for part in place)), stem

    def create_file(self, local: datetime) -> None:
        self.folder, self.stem = self._place(local)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = (self.folder / f"{self.stem}.csv.part").open("w", encoding="utf-8", newline="\n", buffering=1 << 20)

    def put(self, lines: Iterable[str]) -> None:
        assert self.file is not None
        for line in lines:
            self.file.write(line)
            self.replay.lines += 1

    def close_file(self, *, silent: bool = False) -> None:
        if self.file is None:
            return
        if self.faults and not silent and self.random.chance(0.2):
            self.put([_GARBAGE[int(self.random.rng.integers(0, len(_GARBAGE)))] + "\n"])
            self.replay.rejected += 1
        self.file.close()
        self.file = None
        unfinished, final = self.folder / f"{self.stem}.csv.part", self.folder / f"{self.stem}.csv"
        if self.zipped:
            with zipfile.ZipFile(
                self.folder / f"{self.stem}.zip.part", "w", zipfile.ZIP_DEFLATED, compresslevel=1
            ) as archive:
                archive.write(unfinished, final.name)
            unfinished.unlink()
            unfinished, final = self.folder / f"{self.stem}.zip.part", self.folder / f"{self.stem}.zip"
        unfinished.rename(final)
        self.replay.files += 1
        self.replay.bytes += final.stat().st_size

    def finish(self, ms: int) -> None:
        if self.later:
            self.open_hour(ms + HOUR_MS)
        self.close_file()

    # What a line looks like ---------------------------------------------------------------------------------

    def line(self, ms: int, sender: str, params: str, diff: str, kind: int = 104, identity: str | None = None) -> _Line:
        name = identity or self.random.ids(1)[0]
        signature = self.random.ids(1, 88)[0]
        return _Line(name, f"{name};{kind};{signature};3;{ms};{sender};0;;{params};{diff};{{}};\n", ms)

    def call(self, ms: int, operation: str, more: str = "") -> _Line:
        params = f'[{{"key":"operation","stringValue":"{operation}"}}{more}]'
        return self.line(ms, self.registrar, params, f'[{{"key":"STATE_{operation}","boolValue":true}}]')

    def issue(self, ms: int, *, fails: bool = False) -> _Line:
        random = self.random
        data = f'[{{\\"userId\\":\\"{random.user()}\\",\\"maskedSig\\":\\"{random.hex(512)}\\"}}]'
        params = f'[{{"key":"operation","stringValue":"blindSigIssue"}},{{"key":"data","stringValue":"{data}"}}]'
        name = random.ids(1)[0]
        diff = f'[{{"key":"FAIL_{name}_blindSig","stringValue":"{{\\"reason\\":\\"voter not found\\"}}"}}]'
        if not fails:
            diff = f'[{{"key":"BLINDSIG_{name}","stringValue":"{random.hex(512)}"}}]'
        return self.line(ms, self.registrar, params, diff, identity=name)

    def vote(self, ms: int, sender: str, outcome: str = "cast") -> _Line:
        random = self.random
        size = 1100 + int(random.rng.integers(0, 3000) + random.rng.integers(0, 3000))
        params = (
            f'[{{"key":"operation","stringValue":"vote"}},{{"key":"vote","binaryValue":"base64:{random.base64(size)}"}},'
            f'{{"key":"blindSig","binaryValue":"base64:{random.base64(684)}"}}]'
        )
        name = random.ids(1)[0]
        diff = {
            "cast": f'[{{"key":"VOTE_{sender}","stringValue":"{name}"}}]',
            "rejected": f'[{{"key":"FAIL_{sender}_{name}_vote","stringValue":"signature is not valid"}}]',
            "unknown": "[]",
        }[outcome]
        return self.line(ms, sender, params, diff, identity=name)

    # What happens -------------------------------------------------------------------------------------------

    def control(self, ms: int, operation: str, more: str = "") -> None:
        self.emit(self.call(ms, operation, more), None)

    def emit(self, line: _Line, counter: str | None) -> None:
        """Writes a transaction that counts under `counter` (or only as a transaction), and counts it."""
        self.open_hour(line.ms)
        self.count(line.ms, counter)
        # A late row is written to a file of a later hour.
        if self.faults and self.random.chance(0.01):
            self.later.append(line.text)
            return
        self.put([line.text])
        self.tail = [*self.tail[-5:], line.text]

    def register(self, ms: int) -> None:
        self.open_hour(ms)
        quoted = json.dumps(self.voting.name).replace(";", "\\u003b")
        name = f'[{{"key":"votingName","stringValue":{quoted}}}]'
        creation = self.line(ms, self.registrar, name, "[]", kind=103, identity=self.contract)
        self.emit(creation, None)
        voters = self.voting.registered_voters
        if voters is None:
            return
        listed, removed = min(voters, 20), min(3, voters)
        hashes = ",".join(f'\\"{self.random.hex(64)}\\"' for _ in range(listed))
        self.control(ms + 60_000, "addVotersList", f',{{"key":"votersCount","intValue":{voters - listed + removed}}}')
        self.control(ms + 120_000, "addToVotersList", f',{{"key":"userIdHashes","stringValue":"[{hashes}]"}}')
        self.control(ms + 180_000, "removeFromVotersList", f',{{"key":"votersCount","intValue":{removed}}}')

    def bucket(self, bucket: Bucket) -> None:
        start = int(bucket.start.timestamp() * 1000)
        count = bucket.bulletins + bucket.votes
        times = np.sort(self.random.rng.integers(0, bucket.seconds * 1000, count)) + start
        is_vote = np.zeros(count, dtype=bool)
        is_vote[self.random.rng.permutation(count)[: bucket.votes]] = True
        senders = iter(self.random.ids(bucket.votes))
        self.open_hour(start)
        for ms, vote in zip(times.tolist(), is_vote.tolist(), strict=True):
            if vote:
                sender = next(senders)
                self.emit(self.vote(ms, sender), "votes_cast")
                self.cast = [*self.cast[-50:], sender] if self.faults else []
            else:
                self.emit(self.issue(ms), "bulletins_issued")
            if self.faults and self.random.chance(0.03):
                self.fault(ms)

    def fault(self, ms: int) -> None:
        """Adds one fault of real data; none changes the bulletins issued and the votes cast."""
        random = self.random
        which = int(random.rng.integers(0, 7))
        if which == 0:
            self.emit(self.issue(ms, fails=True), "bulletins_failed")
        elif which == 1:
            self.emit(self.vote(ms, random.ids(1)[0], "rejected"), "votes_rejected")
        elif which == 2:
            self.emit(self.vote(ms, random.ids(1)[0], "unknown"), "votes_unknown")
        elif which == 3 and self.cast:
            self.emit(self.vote(ms, self.cast[int(random.rng.integers(0, len(self.cast)))]), "revotes")
        elif which == 4:
            withdrawn = self.vote(ms, random.ids(1)[0])
            self.emit(withdrawn, "withdrawn")
            self.later.append(_rollback(withdrawn.transaction_id))
        elif which == 5:
            # The rollback precedes its transaction; the other fields of its line are not valid.
            withdrawn = self.issue(ms)
            self.put([_rollback(withdrawn.transaction_id)])
            self.emit(withdrawn, "withdrawn")
        elif self.tail:
            self.put([self.tail[-1]])


def _rollback(transaction_id: str) -> str:
    return f"{transaction_id};104;;3;;;0;;{{not json;;;-1\n"


def _file_name(text: str) -> str:
    """The text as a folder's name: no slash, and not too long for file systems."""
    name = text.replace("/", "_").encode()[:240].decode(errors="ignore").strip()
    return "_" if name in ("", ".", "..") else name


def write_replay(
    buckets: Iterable[Bucket], out: Path, *, seed: int = 0, zipped: bool = False, faults: bool = False
) -> Iterator[Replay]:
    """Writes the export tree; yields what it has written so far after every bucket, and once more at the end.

    Args:
        buckets: constituency by constituency, each in order of time.
        out: the folder of the tree.
        seed: the same seed gives the same bytes.
        zipped: write every file as a zip.
        faults: add faults of real data: failed and rejected calls, unknown outcomes, re-votes, rollbacks before and
            after their transaction, repeated lines, overlapping files, late rows, garbage.
    """
    replay = Replay()
    random = _Random(seed)
    writer: _Writer | None = None
    last_ms = 0
    for bucket in buckets:
        start_ms = int(bucket.start.timestamp() * 1000)
        if writer is None or writer.voting != bucket.voting:
            if writer is not None:
                _end_voting(writer, last_ms)
            writer = _Writer(replay, bucket.voting, out, random, zipped=zipped, faults=faults)
            _begin_voting(writer, start_ms)
            replay.starts[writer.contract] = bucket.start
        writer.bucket(bucket)
        last_ms = start_ms + bucket.seconds * 1000
        replay.ends[writer.contract] = bucket.start + timedelta(seconds=bucket.seconds)
        yield replay
    if writer is not None:
        _end_voting(writer, last_ms)
    yield replay


def _begin_voting(writer: _Writer, start_ms: int) -> None:
    writer.register(start_ms - 12 * HOUR_MS)
    writer.open_hour(start_ms)
    writer.began = True
    writer.control(start_ms, "startVoting")
    writer.control(start_ms, "startIssueBallots")


def _end_voting(writer: _Writer, last_ms: int) -> None:
    writer.control(last_ms, "stopIssueBallots")
    writer.control(last_ms, "finishVoting")
    writer.finish(last_ms)


@contextlib.contextmanager
def all_or_nothing(out: Path) -> Iterator[Path]:
    """A temporary folder to write into; its content is moved to `out` at the end, and discarded after an error.

    Raises:
        SourceError: `out` cannot be created or written to, or holds files of another replay.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-unfinished-", dir=out.parent) as unfinished:
            yield Path(unfinished)
            _refuse_a_mixture(Path(unfinished), out)
            for file in sorted(path for path in Path(unfinished).rglob("*") if path.is_file()):
                final = out / file.relative_to(unfinished)
                final.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(file, final)
    except OSError as error:
        raise SourceError(f"{out} cannot be written: {error}") from None


def _refuse_a_mixture(new: Path, out: Path) -> None:
    """Refuses a folder with another replay: both would be counted, but `expected.json` describes one."""
    own = {path.relative_to(new) for path in new.rglob("*")}
    others = sorted(path for path in out.rglob("*") if path.is_file() and path.relative_to(out) not in own)
    if others:
        raise SourceError(
            f"{out} holds {len(others)} other file(s), such as {others[0]}; give an empty folder as --out"
        )


def write_expected(replay: Replay, out: Path) -> Path:
    """Writes `expected.json` beside the tree."""
    path = out / "expected.json"
    path.write_text(json.dumps(replay.expected(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path
