"""Constituencies of a replay, their counts, and what a replay wrote."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from election_metrics.counts import NAMES

BASE58 = np.frombuffer(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", dtype=np.uint8)
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
        return bytes(BASE58[np.frombuffer(digest, dtype=np.uint8) % 58]).decode()


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
