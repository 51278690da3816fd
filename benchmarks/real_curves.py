"""Real curves as evidence for the anomaly rules: as they are, and with events planted at every hour.

No curve judges a shape that was made from it: the national curve of 2026 is judged without any.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import chi2

from election_metrics.metrics.anomalies.rules import find_anomalies
from election_metrics.metrics.anomalies.shapes import PUBLISHED_2026, Shape
from election_metrics_tests.published import INCIDENT, evidence_until, national, with_event

HOUR = pd.Timedelta(hours=1)
COUNTS = ["bulletins_issued", "votes_cast"]
OF_SERIES = ("spike", "drop", "silence", "synchronised_spike", "synchronised_drop")
EVENTS = (
    ("silent for 1 hour", 1, 0.0), ("silent for 3 hours", 3, 0.0), ("silent for 6 hours", 6, 0.0),
    ("5 % left for 1 hour", 1, 0.05), ("20 % left for 3 hours", 3, 0.2), ("50 % left for 1 hour", 1, 0.5),
    ("1.5 times for 1 hour", 1, 1.5), ("3 times for 1 hour", 1, 3.0), ("20 times for 1 hour", 1, 20.0),
)  # fmt: skip
_ITALY = {"20241027120000": (7, 5), "20241027190000": (12, 7), "20241027230000": (19, 4), "20241028150000": (31, 8)}
"""Of Liguria's counts: hours from midnight of the first day to the start of what they add, and their number."""


@dataclass(frozen=True)
class Curve:
    """A real vote: the rows of `published.evidence_until`, with its end, and the shapes that may judge it."""

    name: str
    series: pd.DataFrame
    ends_at: pd.Timestamp
    shapes: Sequence[Shape]

    def hours(self) -> Iterator[pd.Timestamp]:
        """The ends of its hours, and a day more."""
        first = self.series["hour"].min()
        count = int((self.ends_at - first) / HOUR)
        yield from (first + (number + 1) * HOUR for number in range(count + 24))

    def found(self, series: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
        """Findings of the rules on series at a moment."""
        evidence = replace(evidence_until(series, now, self.ends_at), shapes=self.shapes)
        if evidence.hours.empty:
            return pd.DataFrame(columns=["rule", "severity", "constituency_id", "region", "window_start", "window_end"])
        found = find_anomalies(evidence, {})
        return found[found["rule"].isin(OF_SERIES)]


def curves(folder: Path | None) -> Iterator[Curve]:
    """The national curve, and those of a folder: CSV files with the columns of a replay, and Liguria's sections."""
    closes = pd.Timestamp("2026-09-20T20:00+03:00").tz_convert("UTC")
    yield Curve("country, 2026", national()[lambda frame: frame["hour"] >= INCIDENT + 4 * HOUR], closes, ())
    for path in sorted(folder.rglob("*.csv")) if folder else []:
        header = path.read_text("utf-8").partition("\n")[0]
        if "bucket_start" in header and "registered_voters" in header:
            yield from _replayed(path)
        elif "codice_sezione" in header:
            yield _liguria(path)


def _replayed(path: Path) -> Iterator[Curve]:
    frame = pd.read_csv(path).rename(columns={"constituency": "constituency_id"})
    frame["hour"] = pd.to_datetime(frame["bucket_start"], utc=True).dt.floor("h")
    for election, rows in frame.groupby("election"):
        places = [name for name in ("region", "time_zone") if name in rows]
        hourly = (
            rows.groupby(["constituency_id", "hour", "registered_voters", *places], dropna=False)[COUNTS]
            .sum()
            .reset_index()
        )
        yield Curve(f"{path.stem}: {str(election)[:40]}", hourly, hourly["hour"].max().floor("h"), (PUBLISHED_2026,))


def _liguria(path: Path) -> Curve:
    """Sections as constituencies, communes as regions; what a count adds is spread evenly over its hours."""
    sections = pd.read_csv(path)
    start = pd.Timestamp("2024-10-27", tz="Europe/Rome").tz_convert("UTC")
    random = np.random.default_rng(0)
    rows = []
    for (place, commune), group in sections.groupby(
        [
            sections["comune_codice"].astype(str) + "-" + sections["codice_sezione"].astype(str) + sections["comune"],
            "comune",
        ]
    ):
        before = 0
        for count in group.sort_values("orario").itertuples():
            first, hours = _ITALY[str(count.orario)]
            # Summer time ends in the first night of this vote.
            shift = 1 if first > 24 else 0
            added = random.multinomial(max(int(count.votanti) - before, 0), [1 / hours] * hours)
            before = int(count.votanti)
            rows += [(place, start + (first + shift + n) * HOUR, int(votes), int(votes), int(count.elettori_totali), commune,
                      "Europe/Rome") for n, votes in enumerate(added)]  # fmt: skip
    columns = ["constituency_id", "hour", *COUNTS, "registered_voters", "region", "time_zone"]
    series = pd.DataFrame(rows, columns=columns)
    return Curve("Liguria, 2024", series, series["hour"].max() + HOUR, (PUBLISHED_2026,))


def upper_bound(count: int, hours: int) -> float:
    """The 95 % upper bound of false alarms per 1,000 constituency-hours."""
    return float(chi2.ppf(0.95, 2 * count + 2) / 2 / hours * 1000)


def clean(curve: Curve) -> tuple[Counter[str], int, int]:
    """False alarms of a real curve, judged after every hour: by severity; constituencies and constituency-hours."""
    alarms: set[tuple[object, ...]] = set()
    for now in curve.hours():
        for row in curve.found(curve.series, now).itertuples():
            alarms.add((row.severity, row.rule, row.constituency_id, row.region, row.window_start))
    judged = int((curve.series["hour"] < curve.ends_at).sum())
    return Counter(str(alarm[0]) for alarm in alarms), curve.series["constituency_id"].nunique(), judged


def planted(curve: Curve, hours: int, factor: float, first: int = 2) -> tuple[int, int]:
    """How many events of all constituencies were found an hour after they ended, and how many were planted.

    Events begin at every hour from the third on, in which the election has votes.
    """
    found = made = 0
    by_hour = curve.series.groupby("hour")["votes_cast"].sum()
    for start in by_hour.index[first:]:
        if start + hours * HOUR > curve.ends_at or by_hour[start] < 30:
            continue
        after = curve.found(with_event(curve.series, start, hours, factor), start + (hours + 1) * HOUR)
        begin = int(start.timestamp()) // 3600
        wide = after[after["constituency_id"].isna() & after["region"].isna()]
        made += 1
        found += bool(((wide["window_start"] < begin + hours) & (wide["window_end"] > begin)).any())
    return found, made


def report(folder: Path | None, most_places: int) -> list[str]:
    """The tables of docs/metrics.md on real curves."""
    every = list(curves(folder))
    lines = ["| real curve | constituencies | constituency-hours | critical | warnings | per 1,000 (95 % below) |",
             "|---|---:|---:|---:|---:|---:|"]  # fmt: skip
    for curve in every:
        alarms, places, hours = clean(curve)
        warnings = alarms["warning"]
        lines.append(f"| {curve.name} | {places:,} | {hours:,} | {alarms['critical']} | {warnings} | "
                     f"{warnings / hours * 1000:.2f} ({upper_bound(warnings, hours):.2f}) |")  # fmt: skip
    chosen = [curve for curve in every if curve.series["constituency_id"].nunique() <= most_places]
    lines += ["", f"| event in all constituencies, at every hour | {' | '.join(curve.name for curve in chosen)} |",
              f"|---|{'---:|' * len(chosen)}"]  # fmt: skip
    for words, hours, factor in EVENTS:
        cells = [f"{found} of {made}" for found, made in (planted(curve, hours, factor) for curve in chosen)]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return lines
