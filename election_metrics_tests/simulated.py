"""A made-up election for tests and benchmarks of anomaly rules, and faults of every rule's kind put into it.

The curve is the real one of 2026: what Moscow time did from 08:00 on, for every constituency from its own opening.
Hours scatter more than chance alone would have it, small constituencies are silent for long, and votes follow their
bulletins in the same hour or the next: what a rule must not take for a fault.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from election_metrics.demo import national_hours
from election_metrics.metrics.anomalies.evidence import Evidence

_MOSCOW_OPENING = datetime(2026, 9, 18, 5, tzinfo=UTC)
_ZONES = ("Asia/Kamchatka", "Asia/Yekaterinburg", "Europe/Moscow", "Europe/Moscow")
_UTC_OPENINGS = {"Asia/Kamchatka": -4, "Asia/Yekaterinburg": 3, "Europe/Moscow": 5}
_DAY = int(datetime(2026, 9, 18, tzinfo=UTC).timestamp()) // 3600
_LENGTH = 60
_SCATTER = 0.2
_COUNTS = (
    "bulletins_issued",
    "votes_cast",
    "votes_rejected",
    "votes_unknown",
    "revotes",
    "withdrawn",
    "outside_voting",
)


@dataclass
class Election:
    """Counts of constituencies (rows) and hours since their opening (columns).

    Attributes:
        size: registered voters.
        region: number of the region.
        counts: by name of the count.
        delivered: whether a file covers the hour.
        register_changes, repeated_issues, registers: constituency, hour, voters.
        conflicts: constituency, hour, transaction ids.
        lost: constituency and transactions that were there and are not any more.
        unknown: constituencies whose regions are not known.
        torn: constituencies whose files lie in two regions.
        published: (constituency, hour, votes) that the portal published more than were counted.
        tallies: (constituency, hour, marks) of published tallies of 100 votes.
        invalid: (constituency, hour, votes) that a verifier found invalid.
        unread: constituency, and lines that cannot be read.
        parts: registered voters of the four precincts of each constituency.
        issued: bulletins of each constituency, hour and precinct.
        removed: (constituency, hour, voters) of the first precinct.
    """

    size: np.ndarray
    region: np.ndarray
    counts: dict[str, np.ndarray]
    delivered: np.ndarray
    register_changes: list[tuple[int, int, int]] = field(default_factory=list)
    repeated_issues: list[tuple[int, int, int]] = field(default_factory=list)
    conflicts: list[tuple[int, int, int]] = field(default_factory=list)
    registers: list[tuple[int, int, int]] = field(default_factory=list)
    lost: list[tuple[int, int]] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    torn: list[int] = field(default_factory=list)
    published: list[tuple[int, int, int]] = field(default_factory=list)
    tallies: list[tuple[int, int, int]] = field(default_factory=list)
    invalid: list[tuple[int, int, int]] = field(default_factory=list)
    unread: list[tuple[int, int]] = field(default_factory=list)
    parts: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), dtype="int64"))
    issued: np.ndarray = field(default_factory=lambda: np.zeros((0, _LENGTH, 4), dtype="int64"))
    removed: list[tuple[int, int, int]] = field(default_factory=list)

    def copy(self) -> "Election":
        """One to put faults into."""
        counts = {name: values.copy() for name, values in self.counts.items()}
        return replace(self, size=self.size.copy(), counts=counts, delivered=self.delivered.copy(),
                       register_changes=[], repeated_issues=[], conflicts=[], registers=[], lost=[], unknown=[], torn=[], unread=[], published=[], tallies=[], invalid=[],
                       parts=self.parts.copy(), issued=self.issued.copy(), removed=[])  # fmt: skip

    def opening(self, place: int) -> int:
        """Hour number of a constituency's opening."""
        return _DAY + _UTC_OPENINGS[_ZONES[self.region[place] % len(_ZONES)]]

    def name(self, place: int) -> str:
        """constituency_id."""
        return f"c{place:04d}"

    def evidence(self) -> Evidence:
        """What the rules look at."""
        places, hours = self.size.size, _LENGTH
        openings = np.array([self.opening(place) for place in range(places)])
        ids = np.array([self.name(place) for place in range(places)], dtype=object)
        frame = pd.DataFrame(
            {
                "constituency_id": np.repeat(ids, hours),
                "hour_number": (openings[:, None] + np.arange(hours)).ravel(),
                "registered_voters": pd.array(np.repeat(self.size, hours), dtype="Int64"),
                **{name: values.ravel() for name, values in self.counts.items()},
            }
        )
        frame["transaction_count"] = frame[list(_COUNTS[:5])].sum(axis=1)
        happened = (frame["transaction_count"] + frame["withdrawn"] > 0) & self.delivered.ravel()
        totals = (frame["transaction_count"] + frame["withdrawn"]).groupby(frame["constituency_id"]).sum()
        for place, transactions in self.lost:
            totals[self.name(place)] += transactions
        missing = pd.DataFrame(
            [
                {"constituency_id": self.name(place), "window_start": self.opening(place) + first,
                 "window_end": self.opening(place) + last + 1, "hours": last - first + 1, "reason": "voting times",
                 "region": f"region {self.region[place]}", "by_interval": True}
                for place, first, last in _spans(~self.delivered)
            ],
            columns=["constituency_id", "window_start", "window_end", "hours", "reason", "region", "by_interval"],
        )  # fmt: skip
        return Evidence(
            hours=frame[happened].reset_index(drop=True),
            constituencies=pd.DataFrame(
                {
                    "constituency_id": ids,
                    "region": [f"region {number}" for number in self.region],
                    "time_zone": [_ZONES[number % len(_ZONES)] for number in self.region],
                    "is_zone_assumed": np.isin(self.region, self.region[np.array(self.unknown, dtype=int)]),
                    "registered_voters": pd.array(self.size, dtype="Int64"),
                    "starts_at": pd.to_datetime(openings * 3600, unit="s", utc=True),
                    "ends_at": pd.to_datetime((openings + _LENGTH) * 3600, unit="s", utc=True),
                }
            ),
            delivered=frame.loc[self.delivered.ravel(), ["constituency_id", "hour_number"]].reset_index(drop=True),
            missing=missing,
            register_changes=self._events(self.register_changes),
            repeated_issues=self._events(self.repeated_issues),
            highest=totals.rename("transactions")
            .reset_index()
            .assign(first_hour=openings, last_hour=openings + _LENGTH - 1),
            conflicts=self._events(self.conflicts)
            .rename(columns={"voters": "transactions"})
            .assign(lost=1, files=[[("here.csv", "there.csv", ["a", "b", "c"])] for _ in self.conflicts]),
            registers=self._events(self.registers),
            lines=pd.DataFrame(
                [
                    (
                        self.name(place),
                        3 * lines,
                        lines,
                        1,
                        "/in/a.csv",
                        lines,
                        lines,
                        self.opening(place),
                        self.opening(place) + 1,
                        9_000,
                    )
                    for place, lines in self.unread
                ],
                columns=[
                    "constituency_id",
                    "lines",
                    "rejected",
                    "files",
                    "path",
                    "path_lines",
                    "path_rejected",
                    "window_start",
                    "window_end",
                    "election_lines",
                ],
            ),
            second_count=self._events(self.published).assign(
                is_delivered=True,
                is_taken_back=False,
                counted_bulletins=20,
                published_bulletins=20,
                counted_votes=10,
                uncounted=0,
                published_votes=lambda rows: rows["voters"] + 10,
            ),
            tallies=self._events(self.tallies).assign(
                question=1,
                status="differs",
                votes_cast=100,
                tally_sum=lambda rows: rows["voters"],
                lowest_sum=100,
                highest_sum=100,
            ),
            verdicts=self._events(self.invalid)
            .rename(columns={"voters": "votes", "hour_number": "first_hour"})
            .assign(verifier="a verifier", reason="wrong proof", last_hour=lambda rows: rows["first_hour"]),
            precincts=self._precincts(),
            precinct_hours=self._precinct_hours(),
            disagreeing=pd.DataFrame(
                [(self.name(place), ["/in/a.csv", "/in/b.csv"]) for place in self.torn],
                columns=["constituency_id", "paths"],
            ),
        )

    def _precincts(self) -> pd.DataFrame:
        """Every precinct with voters."""
        place, number = np.nonzero(self.parts)
        openings = np.array([self.opening(one) for one in place], dtype="int64")
        removed = np.zeros_like(self.parts)
        for one, _, voters in self.removed:
            removed[one, 0] += voters
        return pd.DataFrame({
            "constituency_id": pd.Series([self.name(one) for one in place], dtype="object"), "region_code": 77,
            "precinct": number + 101, "bulletins_issued": self.issued.sum(axis=1)[place, number],
            "listed_voters": self.parts[place, number], "restored_voters": 0, "removed_voters": removed[place, number],
            "last_hour": openings + _LENGTH - 1, "listed_until": openings - 12,
            "issued_since": openings + (self.issued > 0).argmax(axis=1)[place, number],
            "busy_hours": (self.issued > 0).sum(axis=1)[place, number], "is_register_whole": True,
        })  # fmt: skip

    def _precinct_hours(self) -> pd.DataFrame:
        removed = np.zeros_like(self.issued)
        for place, hour, voters in self.removed:
            removed[place, hour, 0] += voters
        place, hour, number = np.nonzero((self.issued >= 20) | (removed >= 20))
        openings = np.array([self.opening(one) for one in place], dtype="int64")
        return pd.DataFrame({
            "constituency_id": pd.Series([self.name(one) for one in place], dtype="object"), "region_code": 77,
            "precinct": number + 101, "hour_number": openings + hour, "bulletins_issued": self.issued[place, hour, number],
            "voters_removed": removed[place, hour, number], "of_hour": self.issued.sum(axis=2)[place, hour],
        })  # fmt: skip

    def _events(self, rows: list[tuple[int, int, int]]) -> pd.DataFrame:
        named = [(self.name(place), self.opening(place) + hour, voters) for place, hour, voters in rows]
        frame = pd.DataFrame(named, columns=["constituency_id", "hour_number", "voters"])
        return frame.astype({"hour_number": "int64", "voters": "int64"})


def _spans(undelivered: np.ndarray) -> list[tuple[int, int, int]]:
    """(constituency, first, last) of undelivered hours."""
    found = []
    for place in np.flatnonzero(undelivered.any(axis=1)).tolist():
        hours = np.flatnonzero(undelivered[place])
        groups = np.split(hours, np.flatnonzero(np.diff(hours) > 1) + 1)
        found += [(place, int(group[0]), int(group[-1])) for group in groups]
    return found


def simulate(constituencies: int, seed: int, regions: int = 20, largest: int = 40_000) -> Election:
    """An election in which nothing is wrong."""
    random = np.random.default_rng(seed)
    curve = [(bulletins, at) for at, bulletins, _ in national_hours()]
    first = next(place for place, (_, at) in enumerate(curve) if _utc(at) == _MOSCOW_OPENING)
    shape = np.array([bulletins for bulletins, _ in curve[first : first + _LENGTH]], dtype="float64")
    size = np.exp(random.normal(np.log(300), 1.8, constituencies)).clip(1, largest).astype("int64")
    turnout = random.normal(0.85, 0.05, constituencies).clip(0.5, 0.98)
    mean = (size * turnout)[:, None] * shape / shape.sum()
    scatter = random.gamma(1 / _SCATTER**2, _SCATTER**2, mean.shape)
    bulletins = random.poisson(mean * scatter)
    bulletins = np.minimum(bulletins.cumsum(axis=1), size[:, None])  # no more than there are voters
    bulletins = np.diff(bulletins, axis=1, prepend=0)
    never = random.binomial(bulletins, 0.009)
    later = random.binomial(bulletins - never, 0.04)
    later[:, -1] = 0
    votes = bulletins - never - later
    votes[:, 1:] += later[:, :-1]
    rejected, unknown, revotes = (random.binomial(votes, rate) for rate in (0.003, 0.0002, 0.001))
    counts = {
        "bulletins_issued": bulletins, "votes_cast": votes, "votes_rejected": rejected, "votes_unknown": unknown,
        "revotes": revotes, "withdrawn": random.binomial(votes, 0.0002), "outside_voting": np.zeros_like(votes),
    }  # fmt: skip
    region = random.integers(0, regions, constituencies)
    parts, issued = _by_precinct(size, bulletins, np.random.default_rng([seed, 1]))
    return Election(size, region, counts, np.ones_like(votes, dtype=bool), parts=parts, issued=issued)


def _by_precinct(size: np.ndarray, bulletins: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Register and bulletins of four precincts, of unequal sizes and turnouts; none issues more than it has voters."""
    parts = random.multinomial(size, random.dirichlet([2, 2, 2, 2], size.size))
    eager = random.gamma(1 / 0.07**2, 0.07**2, parts.shape)
    issued = np.zeros((*bulletins.shape, 4), dtype="int64")
    room = parts.copy()
    for hour in range(bulletins.shape[1]):
        shares = (room + 1e-9) * eager * random.gamma(1 / _SCATTER**2, _SCATTER**2, parts.shape)
        drawn = random.multinomial(bulletins[:, hour], shares / shares.sum(axis=1, keepdims=True))
        for _ in range(4):  # what a precinct has no voters for goes to the one with most left
            over = np.maximum(drawn - room, 0)
            drawn = drawn - over
            drawn[np.arange(len(drawn)), (room - drawn).argmax(axis=1)] += over.sum(axis=1)
        issued[:, hour] = drawn
        room -= drawn
    return parts, issued


def _utc(at: object) -> datetime:
    return pd.Timestamp(str(at)).tz_convert("UTC").to_pydatetime()


Fault = Callable[[Election, int, np.random.Generator], tuple[int, int]]
"""Puts a fault into a constituency; returns the first and last hour (since the opening) it is to be found in."""


def _busy_hour(election: Election, place: int, random: np.random.Generator, least: int, since: int = 1) -> int:
    """An hour in which the constituency has at least so many votes; else its busiest."""
    votes = election.counts["votes_cast"][place, since:-4]
    chosen = np.flatnonzero(votes >= least)
    return since + int(random.choice(chosen) if chosen.size else votes.argmax())


def _add(name: str, share: float, least: int) -> Fault:
    """Adds this share of the hour's votes to a count."""

    def fault(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
        hour = _busy_hour(election, place, random, 40)
        election.counts[name][place, hour] += max(least, int(election.counts["votes_cast"][place, hour] * share))
        return hour, hour

    return fault


def _more_votes_than_bulletins(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    hour = int(random.integers(4, _LENGTH - 4))
    votes, bulletins = (election.counts[name][place, : hour + 1].sum() for name in ("votes_cast", "bulletins_issued"))
    election.counts["votes_cast"][place, hour] += bulletins - votes + max(5, int(bulletins * 0.02))
    return hour, hour


def _votes_lost(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    hour = _busy_hour(election, place, random, 40)
    election.counts["votes_cast"][place, hour : hour + 2] = election.counts["votes_cast"][place, hour : hour + 2] * 0.4
    return hour, hour + 1


def _register_not_loaded(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    election.size[place] = max(1, int(election.counts["votes_cast"][place].sum() * 0.7))
    return 0, _LENGTH - 1


def _spike(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    hour = _busy_hour(election, place, random, 20, since=26)
    for name in ("votes_cast", "bulletins_issued"):
        usual = election.counts[name][place, [hour - 25, hour - 24, hour - 23, hour - 1, hour]].max()
        election.counts[name][place, hour] = max(60, int(usual * 6))
    return hour, hour


def _drop(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    hour = _busy_hour(election, place, random, 80)
    for name in ("votes_cast", "bulletins_issued"):
        election.counts[name][place, hour] = max(1, int(election.counts[name][place, hour] * 0.05))
    return hour, hour


def _silence(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    hour = _busy_hour(election, place, random, 30)
    for values in election.counts.values():
        values[place, hour : hour + 4] = 0
    return hour, hour + 3


def _issued_twice(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    hour = _busy_hour(election, place, random, 5)
    election.repeated_issues.append((place, hour, 2))
    return hour, hour


def _register_changed(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    hour = int(random.integers(2, _LENGTH - 4))
    election.register_changes.append((place, hour, max(60, int(election.size[place] * 0.1))))
    return hour, hour


def _ids_in_conflict(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    hour = int(random.integers(0, _LENGTH - 2))
    election.conflicts.append((place, hour, 3))
    return hour, hour


def _register_below_zero(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    hour = int(random.integers(0, _LENGTH - 2))
    election.registers.append((place, hour, -4))
    return hour, hour


def _region_unknown(election: Election, place: int, _random: np.random.Generator) -> tuple[int, int]:
    election.unknown.append(place)
    return 0, _LENGTH - 1


def _lines_unreadable(election: Election, place: int, _random: np.random.Generator) -> tuple[int, int]:
    election.unread.append((place, 20))
    return 0, 0


def _places_disagree(election: Election, place: int, _random: np.random.Generator) -> tuple[int, int]:
    election.torn.append(place)
    return 0, _LENGTH - 1


def _published_more(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    hour = int(random.integers(0, _LENGTH))
    election.published.append((place, hour, 3))
    return hour, hour


def _found_invalid(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    hour = int(random.integers(0, _LENGTH))
    election.invalid.append((place, hour, 3))
    return hour, hour


def _tally_short(election: Election, place: int, _random: np.random.Generator) -> tuple[int, int]:
    election.tallies.append((place, _LENGTH - 1, 97))
    return _LENGTH - 1, _LENGTH - 1


def _more_than_listed(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    number = int(election.parts[place].argmax())
    hour = _LENGTH - 5
    lacking = election.parts[place, number] - election.issued[place, :, number].sum()
    election.issued[place, hour, number] += lacking + max(5, int(election.parts[place, number] * 0.05))
    return 0, _LENGTH - 1


def _unlike_the_others(election: Election, place: int, _random: np.random.Generator) -> tuple[int, int]:
    number = int(election.parts[place].argmax())
    election.issued[place, :, number] = election.issued[place, :, number] // 3
    return 0, _LENGTH - 1


def _block_of_a_precinct(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    """Of bulletins, or of voters removed."""
    hour, number = int(random.integers(12, _LENGTH - 2)), int(random.integers(0, 4))
    if random.random() < 0.3:
        election.removed.append((place, hour, max(60, int(election.parts[place, 0] * 0.2))))
        return hour, hour
    usual = election.issued[place, :, number].max()
    block = max(60, int(usual * 5))
    election.issued[place, hour, number] += block
    election.counts["bulletins_issued"][place, hour] += block
    return hour, hour


def _files_missing(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    hour = int(random.integers(1, _LENGTH - 5))
    election.delivered[place, hour : hour + 3] = False
    return hour, hour + 2


def _file_shrunk(election: Election, place: int, random: np.random.Generator) -> tuple[int, int]:
    election.lost.append((place, 10))
    return 0, _LENGTH - 1


FAULTS: dict[str, tuple[str, Fault]] = {
    "votes_exceed_bulletins": ("2 % more votes than bulletins so far, at least 5", _more_votes_than_bulletins),
    "gap_outside_band": ("60 % of two hours' votes lost", _votes_lost),
    "turnout_above_register": ("30 % of the voters not loaded", _register_not_loaded),
    "spike": ("6 times the usual votes, at least 60", _spike),
    "drop": ("5 % of an hour's votes left", _drop),
    "silence": ("4 hours without anything", _silence),
    "outside_voting": ("5 ballots", _add("outside_voting", 0, 5)),
    "rejected_share": ("20 % of an hour's votes rejected, at least 12", _add("votes_rejected", 0.25, 12)),
    "unknown_outcomes": ("5 % of an hour's votes unknown, at least 6", _add("votes_unknown", 0.05, 6)),
    "revotes": ("10 % of an hour's votes are re-votes, at least 12", _add("revotes", 0.11, 12)),
    "voter_issued_twice": ("2 voters", _issued_twice),
    "rollback_cluster": ("15 % of an hour withdrawn, at least 12", _add("withdrawn", 0.35, 12)),
    "register_change": ("10 % of the register, at least 60 voters", _register_changed),
    "input_missing": ("3 hours not delivered", _files_missing),
    "figures_fall": ("10 transactions gone", _file_shrunk),
    "conflicting_ids": ("3 ids with two contents", _ids_in_conflict),
    "register_below_zero": ("4 voters more removed than added", _register_below_zero),
    "time_zone_assumed": ("a region that is not known", _region_unknown),
    "places_disagree": ("files in two regions", _places_disagree),
    "differs_from_portal": ("3 votes more published by the portal", _published_more),
    "tally_differs": ("3 marks fewer than votes", _tally_short),
    "votes_found_invalid": ("3 votes of an hour found invalid", _found_invalid),
    "precinct_above_register": ("5 % more bulletins of a precinct than voters, at least 5", _more_than_listed),
    "precinct_out_of_line": ("a third of the bulletins of the largest precinct", _unlike_the_others),
    "precinct_block": (
        "5 times a precinct's busiest hour, or a fifth of its voters removed; at least 60",
        _block_of_a_precinct,
    ),
    "unreadable_input": ("20 lines that cannot be read", _lines_unreadable),
}
"""By rule: the fault in words, and how it is put in. Into constituencies of 500 voters and more."""

SMALLEST = 500


def synchronised(election: Election, random: np.random.Generator) -> tuple[int, int]:
    """Half of all constituencies rise fourfold in the same hour of the second day; returns that hour's number."""
    hour = _DAY + 34
    for place in np.flatnonzero(random.random(election.size.size) < 0.5).tolist():
        column = hour - election.opening(place)
        for name in ("votes_cast", "bulletins_issued"):
            usual = election.counts[name][place, [column - 25, column - 24, column - 23, column - 1, column]].max()
            election.counts[name][place, column] = usual * 4
    return hour, hour


def fallen(election: Election, random: np.random.Generator) -> tuple[int, int]:
    """A third of all constituencies fall to 30 % in the same hour of the second day; returns that hour's number."""
    hour = _DAY + 34
    for place in np.flatnonzero(random.random(election.size.size) < 1 / 3).tolist():
        column = hour - election.opening(place)
        for name in ("votes_cast", "bulletins_issued"):
            election.counts[name][place, column] = int(election.counts[name][place, column] * 0.3)
    return hour, hour


AT_ONCE = {
    "synchronised_spike": ("half of all constituencies rise fourfold", synchronised),
    "synchronised_drop": ("a third of all constituencies fall to 30 %", fallen),
}
"""By rule: the fault in words, and how it is put into many constituencies at once."""
