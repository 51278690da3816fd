"""Export files by hand, for tests: a line at a time, in the exact format."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from election_metrics.replay.votings import Voting

CONTRACT = "AsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr"
OTHER = "BsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr"
HOUR = datetime(2026, 9, 18, 8, tzinfo=UTC)


def ms(minute: float = 0, hour: int = 0) -> int:
    """Epoch milliseconds of a minute of HOUR + hours."""
    return int(HOUR.timestamp() * 1000) + hour * 3_600_000 + int(minute * 60_000)


def line(name: str, at: int, operation: str, sender: str = "registrar", diff: object = None, **params: object) -> str:
    """One transaction."""
    pairs = [{"key": "operation", "stringValue": operation}]
    for key, value in params.items():
        pairs.append({"key": key, "intValue": value} if isinstance(value, int) else {"key": key, "stringValue": value})
    shown = json.dumps(pairs).replace(";", "\\u003b"), json.dumps(diff or []).replace(";", "\\u003b")
    return f"{name};104;signature;3;{at};{sender};0;;{shown[0]};{shown[1]};{{}};"


def vote(name: str, at: int, sender: str | None = None) -> str:
    """An accepted vote."""
    sender = sender or f"key-{name}"
    return line(name, at, "vote", sender, [{"key": f"VOTE_{sender}", "stringValue": "x"}])


def issue(name: str, at: int, data: str = '["ballot"]') -> str:
    """A bulletin."""
    return line(name, at, "blindSigIssue", data=data)


def rollback(name: str) -> str:
    """The withdrawal of a transaction; nothing else on the line is valid."""
    return f"{name};;;;;;;;{{broken;;;-1"


@dataclass
class Folder:
    """A folder of exports."""

    root: Path

    def put(self, *lines: str, name: str = "2026-09-18_1100-1200", contract: str = CONTRACT, end: str = "\n") -> Path:
        """Writes a file of these lines."""
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / f"{contract}_{name}.csv"
        path.write_bytes(("\n".join(lines) + end).encode() if lines else b"")
        return path


def write_reference(votings: Iterable[tuple[Voting, datetime, datetime]], path: Path) -> Path:
    """Writes a reference CSV: names, regions, time zones and voting times."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["constituency_id", "name", "election", "region_code", "region", "time_zone", "starts_at", "ends_at"])
    for voting, starts, ends in votings:
        code, _, region = voting.region.partition(" - ")
        rows.writerow([voting.contract_id, voting.name, voting.election, code, region, voting.time_zone,
                       starts.isoformat(), ends.isoformat()])  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path
