"""Constituencies of a replay, their counts, and what a replay wrote."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np

from election_metrics.counts import NAMES

BASE58 = np.frombuffer(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", dtype=np.uint8)
COUNTS = tuple(name for name in NAMES if name != "anomaly_count")


FIRST_PRECINCT, _LEAST_SPREAD = 101, 100


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

    @property
    def region_code(self) -> int:
        """The number before the region's name; 0 if there is none."""
        code = self.region.partition(" - ")[0]
        return int(code) if code.isdecimal() else 0

    @cached_property
    def precincts(self) -> dict[int, int]:
        """Registered voters by the number of the precinct: one of a small register, else three."""
        voters = self.registered_voters or 0
        if voters < _LEAST_SPREAD:
            return {FIRST_PRECINCT: voters}
        half, third = voters // 2, voters // 3
        return dict(enumerate((half, third, voters - half - third), FIRST_PRECINCT))

    def precinct_of(self, number: int) -> int:
        """The precinct of the voter to whom the bulletin of this number is issued."""
        places = (0, 1, 0, 2, 0, 1) if len(self.precincts) > 1 else (0,)
        return FIRST_PRECINCT + places[number % len(places)]


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
