"""Real curves as evidence for the anomaly rules: as they are, and with events planted at every hour.

No curve judges a shape that was made from it: the national curve of 2026 is judged without any (where a table shows it
with its own shape too, it says so). Where events are planted in a part of a vote, a curve of one place is split by
chance into 300 constituencies of 10 regions.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import chi2

from election_metrics.metrics.anomalies.judged import judged_constituencies
from election_metrics.metrics.anomalies.rules import INSIDE, RULES, find_anomalies
from election_metrics.metrics.anomalies.shapes import PUBLISHED_2026, Shape
from election_metrics_tests.minutes import with_minutes
from election_metrics_tests.published import INCIDENT, REGISTERED, evidence_until, inside_hours, national, with_event

HOUR = pd.Timedelta(hours=1)
COUNTS = ["bulletins_issued", "votes_cast"]
OF_SERIES = ("spike", "drop", "silence", "synchronised_spike", "synchronised_drop")
EVENTS = (
    ("silent for 1 hour", 1, 0.0), ("silent for 3 hours", 3, 0.0), ("silent for 6 hours", 6, 0.0),
    ("5 % left for 1 hour", 1, 0.05), ("20 % left for 3 hours", 3, 0.2), ("50 % left for 1 hour", 1, 0.5),
    ("1.5 times for 1 hour", 1, 1.5), ("3 times for 1 hour", 1, 3.0), ("20 times for 1 hour", 1, 20.0),
)  # fmt: skip
_SINCE = {12: 7, 19: 12, 23: 19, 39: 31}
"""Italy's polls, 07:00 to 23:00 and 07:00 to 15:00 the next day: by the hour until which a count is, that of the count
before, or of the opening; hours from midnight of the first day."""


@dataclass(frozen=True)
class Curve:
    """A real vote: the rows of `published.evidence_until`, with its end, and the shapes that may judge it.

    `minutes` are the same by 5 minutes (bucket_start instead of hour), where they are known.
    """

    name: str
    series: pd.DataFrame
    ends_at: pd.Timestamp
    shapes: Sequence[Shape]
    minutes: pd.DataFrame | None = None

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
        found = find_anomalies(evidence, {}, set(RULES) - set(OF_SERIES))
        return found

    def found_inside(self, minutes: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
        """Findings of the rules inside the hour on counts by 5 minutes at a moment."""
        known = minutes[minutes["bucket_start"] < now]
        hourly = by_hour(known)
        evidence = replace(evidence_until(hourly, now, self.ends_at), shapes=self.shapes, inside=inside_hours(known))
        return find_anomalies(evidence, {}, set(RULES) - set(INSIDE))


def curves(folder: Path | None) -> Iterator[Curve]:
    """The national curve, and those of a folder: CSV files with the columns of a replay, and Italy's counts."""
    closes = pd.Timestamp("2026-09-20T20:00+03:00").tz_convert("UTC")
    yield Curve("country, 2026", national()[lambda frame: frame["hour"] >= INCIDENT + 4 * HOUR], closes, ())
    for path in sorted(folder.rglob("*.csv")) if folder else []:
        header = path.read_text("utf-8").partition("\n")[0]
        if "bucket_start" in header and "registered_voters" in header:
            yield from _replayed(path)
        elif "bucket_start" in header:
            yield _of_country(path)
        elif "codice_sezione" in header:
            yield _liguria(path)
        elif "voti_h12" in header:
            yield _referendum(path)


def by_hour(minutes: pd.DataFrame) -> pd.DataFrame:
    """The sums of 5 minutes by hour."""
    places = [name for name in ("constituency_id", "registered_voters", "region", "time_zone") if name in minutes]
    hours = minutes.assign(hour=minutes["bucket_start"].dt.floor("h"))
    return hours.groupby([*places, "hour"], dropna=False)[COUNTS].sum().reset_index()


def split(curve: Curve, places: int = 300, regions: int = 10, spread: float = 1.5) -> Curve:
    """A curve of one place as one of many constituencies of very different sizes, by chance.

    `spread` is the standard deviation of the logarithms of their sizes.
    """
    random = np.random.default_rng(0)
    weight = random.lognormal(0, spread, places)
    region = random.integers(0, regions, places)

    def parts(frame: pd.DataFrame) -> pd.DataFrame:
        counts = {name: random.multinomial(frame[name], weight / weight.sum()) for name in COUNTS}
        moment = "bucket_start" if "bucket_start" in frame else "hour"
        rows = {
            "constituency_id": np.tile([f"c{number:03}" for number in range(places)], len(frame)),
            "region": np.tile([f"region {number}" for number in region], len(frame)),
            moment: np.repeat(frame[moment].to_numpy(), places),
            **{name: values.ravel() for name, values in counts.items()},
        }
        part = pd.DataFrame(rows)
        part[moment] = pd.to_datetime(part[moment], utc=True)
        voters = np.maximum(weight / weight.sum() * curve.series["registered_voters"].max(), 1).astype("int64")
        part["registered_voters"] = np.tile(voters, len(frame))
        return part[part[COUNTS].sum(axis=1) > 0]

    minutes = None if curve.minutes is None else parts(curve.minutes)
    series = parts(curve.series) if minutes is None else by_hour(minutes)
    return replace(curve, name=f"{curve.name}, split", series=series, minutes=minutes)


def _of_country(path: Path) -> Curve:
    """A file without constituencies: bucket_start, bulletins_issued, votes_cast."""
    minutes = pd.read_csv(path).assign(constituency_id="all", registered_voters=REGISTERED)
    minutes["bucket_start"] = pd.to_datetime(minutes["bucket_start"], utc=True)
    votes = by_hour(minutes).set_index("hour")["votes_cast"]
    # Only the last time zone votes after that.
    ends_at = votes.index[votes >= 0.2 * votes.shift(1, fill_value=0)].max() + HOUR
    minutes = minutes[minutes["bucket_start"] >= INCIDENT + 4 * HOUR] if _is_of_2026(minutes) else minutes
    return Curve(path.stem, by_hour(minutes), ends_at, () if _is_of_2026(minutes) else (PUBLISHED_2026,), minutes)


def _is_of_2026(minutes: pd.DataFrame) -> bool:
    """Whether it is the vote that the shipped shape was made from."""
    return bool(abs(minutes["bucket_start"].min() - INCIDENT) < 24 * HOUR)


def _replayed(path: Path) -> Iterator[Curve]:
    frame = pd.read_csv(path).rename(columns={"constituency": "constituency_id"})
    frame["bucket_start"] = pd.to_datetime(frame["bucket_start"], utc=True)
    for election, rows in frame.groupby("election"):
        hourly = by_hour(rows)
        name = f"{path.stem}: {str(election)[:40]}"
        yield Curve(name, hourly, hourly["hour"].max().floor("h"), (PUBLISHED_2026,), rows)


def _liguria(path: Path) -> Curve:
    """Sections as constituencies, communes as regions."""
    sections = pd.read_csv(path)
    place = sections["comune_codice"].astype(str) + "-" + sections["codice_sezione"].astype(str) + sections["comune"]
    counts = sections.assign(
        place=place, region=sections["comune"], voters=sections["elettori_totali"], cast=sections["votanti"]
    )
    return _counted("Liguria, 2024", counts, pd.Timestamp("2024-10-27", tz="+01:00"))


def _referendum(path: Path) -> Curve:
    """Communes as constituencies, provinces as regions."""
    communes = pd.read_csv(path, dtype={"provincia": str, "CODICE ISTAT": str})
    moments = [name.removeprefix("datah") for name in communes if name.startswith("datah")]
    counts = pd.concat(
        communes.assign(
            place=communes["CODICE ISTAT"], region=communes["provincia"], voters=communes["elettori"],
            orario=communes[f"datah{moment}"], cast=communes[f"voti_h{moment}"],
        )
        for moment in moments
    )  # fmt: skip
    return _counted("Italy, 2020", counts, pd.Timestamp("2020-09-20", tz="+02:00"))


def _counted(name: str, counts: pd.DataFrame, midnight: pd.Timestamp) -> Curve:
    """A vote of which only the voters until four moments are known: what each adds is spread evenly over its hours.

    Args:
        name: of the curve.
        counts: place, region, voters (registered), orario (YYYYMMDDhhmmss, local time), cast (voters until then).
        midnight: the beginning of its first day.
    """
    counts = counts.dropna(subset=["orario", "cast", "voters"]).sort_values(["place", "orario"], kind="stable")
    moments = pd.to_datetime(counts["orario"].astype("int64").astype(str), format="%Y%m%d%H%M%S")
    until = ((moments - midnight.tz_localize(None)) / HOUR).astype("int64")
    counts = counts.assign(until=until, added=counts.groupby("place")["cast"].diff().fillna(counts["cast"]).clip(0))
    random = np.random.default_rng(0)
    parts = []
    for end, rows in counts.groupby("until"):
        first = _SINCE[int(str(end))]
        hours = int(str(end)) - first
        spread = random.multinomial(rows["added"].to_numpy("int64"), [1 / hours] * hours)
        parts.append(
            pd.DataFrame(
                {
                    "constituency_id": np.repeat(rows["place"].to_numpy(), hours),
                    "region": np.repeat(rows["region"].to_numpy(), hours),
                    "registered_voters": np.repeat(rows["voters"].to_numpy("int64"), hours),
                    "hour": np.tile([midnight.tz_convert("UTC") + (first + n) * HOUR for n in range(hours)], len(rows)),
                    **dict.fromkeys(COUNTS, spread.ravel()),
                }
            )
        )
    series = pd.concat(parts, ignore_index=True).assign(time_zone="Europe/Rome")
    return Curve(name, series, series["hour"].max() + HOUR, (PUBLISHED_2026,))


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


def planted(curve: Curve, hours: int, factor: float, part: str = "all") -> tuple[int, int]:
    """How many events were found an hour after they ended, and how many were planted.

    Events begin at every hour in which the part has 30 votes. `part` is all, a region, or a
    constituency; in a part, an event counts as found if any finding on it, on its region or on the whole covers it.
    """
    found = made = 0
    members = pd.Series(True, index=curve.series.index)
    if part != "all":
        members = (curve.series["region"] == part) | (curve.series["constituency_id"] == part)
    votes = curve.series[members].groupby("hour")["votes_cast"].sum()
    own = {part, *curve.series.loc[members, "region"].unique()} if part != "all" else set()
    for start in votes.index:
        if start + hours * HOUR > curve.ends_at or votes[start] < 30:
            continue
        series = pd.concat([with_event(curve.series[members], start, hours, factor), curve.series[~members]])
        after = curve.found(series, start + (hours + 1) * HOUR)
        begin = int(start.timestamp()) // 3600
        is_wide = after["constituency_id"].isna() & after["region"].isna()
        is_own = after["constituency_id"].isin(own) | after["constituency_id"].isna() & after["region"].isin(own)
        covers = (after["window_start"] < begin + hours) & (after["window_end"] > begin)
        made += 1
        found += bool(((is_wide | is_own) & covers).any())
    return found, made


def bursts(curve: Curve, intervals: int, share: float) -> tuple[int, int]:
    """How many bursts that double an hour were found an hour later, at every hour, and how many were planted."""
    assert curve.minutes is not None
    found = made = 0
    random = np.random.default_rng(0)
    votes = by_hour(curve.minutes).pivot_table(index="constituency_id", columns="hour", values="votes_cast").fillna(0)
    for start in votes.columns[2:]:
        if start + HOUR > curve.ends_at or votes[start].sum() < 300:
            continue
        chosen = votes.index[random.random(len(votes)) < share]
        at = start + pd.Timedelta(minutes=20)
        added = pd.DataFrame(
            {
                "constituency_id": np.repeat(chosen, intervals),
                "bucket_start": np.tile([at + n * pd.Timedelta(minutes=5) for n in range(intervals)], len(chosen)),
                "votes_cast": random.poisson(np.repeat(votes.loc[chosen, start].to_numpy() / intervals, intervals)),
            }
        )
        places = curve.minutes.drop_duplicates("constituency_id").set_index("constituency_id")
        for name in ("registered_voters", "region", "time_zone"):
            if name in places:
                added[name] = added["constituency_id"].map(places[name])
        added = added.assign(bulletins_issued=added["votes_cast"])
        after = curve.found_inside(pd.concat([curve.minutes, added]), start + 2 * HOUR)
        begin = at.timestamp() / 3600
        made += 1
        found += bool(((after["window_start"] < begin + intervals / 12) & (after["window_end"] > begin)).any())
    return found, made


def shares(folder: Path | None) -> list[str]:
    """How many constituencies each rule can judge at the end of a vote; rules that judge all are left out."""
    country = split(next(iter(curves(None))), 5_103, 85, spread=2.6)
    every = [country, *(curve for curve in curves(folder) if curve.series["constituency_id"].nunique() > 1_000)]
    found = []
    for curve in every:
        evidence = with_minutes(evidence_until(curve.series, curve.ends_at, curve.ends_at), np.random.default_rng(0))
        judged = judged_constituencies(evidence, {}).set_index("rule")
        found.append(judged["constituencies_judged"] / judged["constituencies_total"])
    table = pd.concat(found, axis=1)
    table = table[(table < 1).any(axis=1)]
    lines = [f"| rule | {' | '.join(curve.name for curve in every)} |", f"|---|{'---:|' * len(every)}"]
    return lines + [f"| `{rule}` | {' | '.join(f'{share:.0%}' for share in row)} |" for rule, row in
                    zip(table.index, table.to_numpy(), strict=True)]  # fmt: skip


def clean_inside(curve: Curve) -> tuple[int, int]:
    """False alarms of the rules inside the hour, after every hour of a real curve; constituency-hours."""
    assert curve.minutes is not None
    alarms: set[tuple[object, ...]] = set()
    for now in curve.hours():
        for row in curve.found_inside(curve.minutes, now).itertuples():
            alarms.add((row.rule, row.constituency_id, row.region, row.window_start))
    return len(alarms), len(by_hour(curve.minutes))


CHOICES = {
    ("spike", "ratio"): (1.5, 2.0, 2.5, 3.0, 4.0), ("spike", "whole_ratio"): (1.3, 1.5, 1.8, 2.2),
    ("spike", "night_ratio"): (1.5, 2.0, 2.5, 3.0), ("drop", "ratio"): (1.5, 2.0, 3.0, 4.0),
    ("drop", "whole_ratio"): (1.3, 1.5, 2.0, 3.0), ("drop", "night_ratio"): (1.5, 2.0, 3.0, 4.0),
    ("synchronised_spike", "ratio"): (1.2, 1.5, 2.0), ("synchronised_drop", "ratio"): (1.2, 1.5, 2.0),
    ("burst", "ratio"): (1.5, 1.75, 2.0, 2.5),
}  # fmt: skip
"""By rule and threshold: the values that are compared."""


def choices(folder: Path | None) -> list[str]:
    """False alarms on real curves at other values of a threshold, all others being those that are shipped."""
    every = list(curves(folder))
    lines = [f"| rule | threshold | value | {' | '.join(curve.name for curve in every)} |",
             f"|---|---|---:|{'---:|' * len(every)}"]  # fmt: skip
    for (rule, name), values in CHOICES.items():
        for value in values:
            cells = [_at(curve, rule, {name: value}) for curve in every]
            shipped = value == RULES[rule].thresholds[name].default
            lines.append(
                f"| `{rule}` | `{name}` | {f'**{value:g}**' if shipped else f'{value:g}'} | {' | '.join(cells)} |"
            )
    return lines


def _at(curve: Curve, rule: str, thresholds: dict[str, float]) -> str:
    """False alarms per 1,000 constituency-hours of a rule, judged every six hours."""
    if rule in INSIDE and curve.minutes is None:
        return "–"
    alarms = set()
    for now in list(curve.hours())[::-6]:
        evidence = replace(evidence_until(curve.series, now, curve.ends_at), shapes=curve.shapes)
        if rule in INSIDE and curve.minutes is not None:
            evidence = replace(evidence, inside=inside_hours(curve.minutes[curve.minutes["bucket_start"] < now]))
        if len(evidence.hours):
            for row in find_anomalies(evidence, {rule: thresholds}, set(RULES) - {rule}).itertuples():
                alarms.add((row.constituency_id, row.region, row.window_start))
    return f"{len(alarms) / len(curve.series) * 1000:.2f}"


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
    # The best that the shape of an earlier vote can do: the vote is exactly like it.
    chosen.insert(1, replace(chosen[0], name=f"{chosen[0].name}, its shape known", shapes=(PUBLISHED_2026,)))
    lines += ["", f"| event in all constituencies, at every hour | {' | '.join(curve.name for curve in chosen)} |",
              f"|---|{'---:|' * len(chosen)}"]  # fmt: skip
    for words, hours, factor in EVENTS:
        cells = [f"{found} of {made}" for found, made in (planted(curve, hours, factor) for curve in chosen)]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    country = split(next((curve for curve in every if curve.minutes is not None and _is_large(curve)), every[0]))
    parts = [(country, part) for part in ("region 0", _largest(country, "constituency_id"))]
    of_regions = [curve for curve in chosen if "region" in curve.series and len(set(curve.series["region"])) > 1]
    parts += [(curve, _largest(curve, "region")) for curve in of_regions]
    headings = [f"{curve.name}: {part}" for curve, part in parts]
    lines += ["", f"| event, at every hour, in a part | {' | '.join(headings)} |", f"|---|{'---:|' * len(parts)}"]
    for words, hours, factor in EVENTS:
        cells = [f"{found} of {made}" for found, made in (planted(curve, hours, factor, part) for curve, part in parts)]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    lines += ["", *shares(folder)]
    return [*lines, "", *_report_inside([curve for curve in every if curve.minutes is not None], country)]


def _largest(curve: Curve, kind: str) -> str:
    """The constituency, or the region, with the most votes."""
    return str(curve.series.groupby(kind)["votes_cast"].sum().idxmax())


def _is_large(curve: Curve) -> bool:
    return int(curve.series["votes_cast"].sum()) > 100_000


def _report_inside(every: Sequence[Curve], country: Curve) -> list[str]:
    lines = ["| real curve by 5 minutes | constituency-hours | findings inside the hour | per 1,000 (95 % below) |",
             "|---|---:|---:|---:|"]  # fmt: skip
    for curve in [*every, *([country] if country.minutes is not None else [])]:
        alarms, hours = clean_inside(curve)
        lines.append(
            f"| {curve.name} | {hours:,} | {alarms} | {alarms / hours * 1000:.2f} ({upper_bound(alarms, hours):.2f}) |"
        )
    if country.minutes is None:
        return lines
    lines += ["", f"| votes that double an hour, at every hour of {country.name} | in all | in a third | in a tenth |",
              "|---|---:|---:|---:|"]  # fmt: skip
    for minutes in (5, 10, 20):
        cells = [
            f"{found} of {made}" for found, made in (bursts(country, minutes // 5, share) for share in (1, 1 / 3, 0.1))
        ]
        lines.append(f"| within {minutes} minutes | {' | '.join(cells)} |")
    return lines
