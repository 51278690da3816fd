"""Writes the lines of one constituency into its hourly files."""

import json
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

import numpy as np

from election_metrics.clock import HOUR, HOUR_MS, hour_start
from election_metrics.replay.lines import GARBAGE, Line, Lines, rollback
from election_metrics.replay.random_texts import RandomTexts
from election_metrics.replay.votings import COUNTS, FIRST_PRECINCT, Bucket, Replay, Voting


class ConstituencyWriter:
    """Writes the lines of one constituency into its hourly files, in order of time."""

    def __init__(
        self, replay: Replay, voting: Voting, out: Path, random: RandomTexts, *, zipped: bool, faults: bool,
        precincts: bool,
    ) -> None:  # fmt: skip
        self.replay, self.voting, self.out, self.random = replay, voting, out, random
        self.zipped, self.faults, self.precincts = zipped, faults, precincts
        self.zone = ZoneInfo(voting.time_zone)
        self.contract = voting.contract_id
        self.lines = Lines(random)
        self.hour: datetime | None = None
        self.began = False
        self.file: TextIO | None = None
        self.tail: list[str] = []
        self.later: list[str] = []
        self.cast: list[str] = []
        self.issues = 0
        self.hours: dict[str, dict[str, int]] = replay.hours.setdefault(self.contract, {})
        replay.votings[self.contract] = voting

    def count(self, ms: int, counter: str | None) -> None:
        """Counts a transaction under `counter`, or only as a transaction."""
        label = hour_start(ms // HOUR_MS).strftime("%Y-%m-%dT%H:00:00Z")
        row = self.hours.setdefault(label, dict.fromkeys(COUNTS, 0))
        if counter is not None:
            row[counter] += 1
        if counter != "withdrawn":
            row["transaction_count"] += 1

    def open_hour(self, ms: int) -> None:
        """Makes the file of this time's hour the current one."""
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
        """Opens the file of an hour, under an unfinished name."""
        self.folder, self.stem = self._place(local)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = (self.folder / f"{self.stem}.csv.part").open("w", encoding="utf-8", newline="\n", buffering=1 << 20)

    def put(self, lines: Iterable[str]) -> None:
        """Writes lines to the current file."""
        assert self.file is not None
        for line in lines:
            self.file.write(line)
            self.replay.lines += 1

    def close_file(self, *, silent: bool = False) -> None:
        """Finishes the current file, if there is one; a `silent` one stays without faults."""
        if self.file is None:
            return
        if self.faults and not silent and self.random.chance(0.2):
            self.put([GARBAGE[int(self.random.rng.integers(0, len(GARBAGE)))] + "\n"])
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
        """Writes the late rows that are left, and finishes the last file."""
        if self.later:
            self.open_hour(ms + HOUR_MS)
        self.close_file()

    def control(self, ms: int, operation: str, more: str = "") -> None:
        """Writes a call of the registrar."""
        self.emit(self.lines.call(ms, operation, more), None)

    def emit(self, line: Line, counter: str | None) -> None:
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
        """Writes the creation of the contract, and the calls that fill its register."""
        self.open_hour(ms)
        quoted = json.dumps(self.voting.name).replace(";", "\\u003b")
        name = f'[{{"key":"votingName","stringValue":{quoted}}}]'
        creation = self.lines.line(ms, self.lines.registrar, name, "[]", kind=103, identity=self.contract)
        self.emit(creation, None)
        voters = self.voting.registered_voters
        if voters is None:
            return
        listed, removed = min(voters, 20), min(3, voters)
        hashes = ",".join(f'\\"{self.random.hex(64)}\\"' for _ in range(listed))
        first = self._precinct(FIRST_PRECINCT)
        parts = self.voting.precincts if self.precincts else {FIRST_PRECINCT: voters}
        for number, part in parts.items():
            count = part - listed + removed if number == FIRST_PRECINCT else part
            self.control(
                ms + 60_000, "addVotersList", f',{{"key":"votersCount","intValue":{count}}}' + self._precinct(number)
            )
        self.control(ms + 120_000, "addToVotersList", f',{{"key":"userIdHashes","stringValue":"[{hashes}]"}}' + first)
        self.control(ms + 180_000, "removeFromVotersList", f',{{"key":"votersCount","intValue":{removed}}}' + first)

    def _precinct(self, number: int) -> str:
        return self.lines.precinct(self.voting.region_code, number) if self.precincts else ""

    def _issue(self, ms: int, *, fails: bool = False) -> Line:
        """An issue to the next voter."""
        self.issues += 1
        return self.lines.issue(ms, self._precinct(self.voting.precinct_of(self.issues)), fails=fails)

    def bucket(self, bucket: Bucket) -> None:
        """Writes the transactions of a bucket, at random times in it."""
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
                self.emit(self.lines.vote(ms, sender), "votes_cast")
                self.cast = [*self.cast[-50:], sender] if self.faults else []
            else:
                self.emit(self._issue(ms), "bulletins_issued")
            if self.faults and self.random.chance(0.03):
                self.fault(ms)

    def fault(self, ms: int) -> None:
        """Adds one fault of real data; none changes the bulletins issued and the votes cast."""
        random = self.random
        which = int(random.rng.integers(0, 7))
        if which == 0:
            self.emit(self._issue(ms, fails=True), "bulletins_failed")
        elif which == 1:
            self.emit(self.lines.vote(ms, random.ids(1)[0], "rejected"), "votes_rejected")
        elif which == 2:
            self.emit(self.lines.vote(ms, random.ids(1)[0], "unknown"), "votes_unknown")
        elif which == 3 and self.cast:
            self.emit(self.lines.vote(ms, self.cast[int(random.rng.integers(0, len(self.cast)))]), "revotes")
        elif which == 4:
            withdrawn = self.lines.vote(ms, random.ids(1)[0])
            self.emit(withdrawn, "withdrawn")
            self.later.append(rollback(withdrawn.transaction_id))
        elif which == 5:
            # The rollback precedes its transaction; the other fields of its line are not valid.
            withdrawn = self._issue(ms)
            self.put([rollback(withdrawn.transaction_id)])
            self.emit(withdrawn, "withdrawn")
        elif self.tail:
            self.put([self.tail[-1]])


def _file_name(text: str) -> str:
    """The text as a folder's name: no slash, and not too long for file systems."""
    name = text.replace("/", "_").encode()[:240].decode(errors="ignore").strip()
    return "_" if name in ("", ".", "..") else name
