"""Computes a package's figures again from its hours. Each function yields what differs, with its place."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from election_metrics.counts import NAMES
from election_metrics.metrics.constituency import constituency_metrics
from election_metrics.metrics.election import participation_extremes, summarise
from election_metrics.metrics.hourly import election_hours
from election_metrics.metrics.rates import per, percent
from election_metrics.pipeline.packages.contents import TABLES
from election_metrics.pipeline.packages.files import parquet_of
from election_metrics.warehouse.replace import to_frame
from election_metrics.warehouse.tables import LINEAGE

_CLOSE = 1e-9
_HALF_OF_LAST_PLACE = 0.00005 + _CLOSE
_SUMMED = (*NAMES, "outside_voting")
_NO_EXPECTED = pd.DataFrame({
    "constituency_id": pd.Series(dtype="str"), "hour_number": pd.Series(dtype="int64"),
    "reason": pd.Series(dtype="str"), "is_delivered": pd.Series(dtype="bool"),
})  # fmt: skip
_OF_REGIONS = (
    "constituencies_total", "constituencies_reporting", "constituencies_silent", "constituencies_complete",
    "constituencies_without_register", "hours_expected", "hours_delivered",
)  # fmt: skip
_OF_INPUT = ("hours_expected", "hours_delivered", "constituencies_complete", "coverage")
"""Figures that follow from the input, not from the hours."""
_NOW = ("election_id", "peak_hour", "first_transaction_at", "last_transaction_at")
_OF_FINDINGS = {"critical": "anomalies_critical", "warning": "anomalies_warning", "info": "anomalies_info"}


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """A table of the package, with nullable types."""
    return to_frame(pq.read_table(parquet_of(folder, name)))


def sum_differences(folder: Path) -> Iterator[str]:
    """Counts whose sums over hours, periods and regions are not those of the election."""
    whole = read_table(folder, "election_summaries")
    if len(whole) != 1:
        yield f"election_summaries has {len(whole)} rows; a package holds one election"
        return
    metrics = read_table(folder, "constituency_metrics")
    parts = {"hourly_stats": read_table(folder, "hourly_stats"), "election_hours": read_table(folder, "election_hours")}
    parts |= {f"constituency_metrics by {name}": rows for name, rows in metrics.groupby("period")}
    parts["region_summaries"] = read_table(folder, "region_summaries")
    for name, rows in parts.items():
        for count in NAMES:
            said, summed = int(whole[count].iloc[0]), int(rows[count].sum())
            if said != summed:
                yield f"{count} is {said:,} in election_summaries; the sum of {name} is {summed:,}"
    for name in _OF_REGIONS:
        said, summed = whole[name].iloc[0], parts["region_summaries"][name].sum()
        if not pd.isna(said) and said != summed:
            yield f"{name} is {said:,} in election_summaries; the sum of region_summaries is {summed:,}"
    missing = set() if metrics.empty else {"hour", "day", "week", "month", "election"} - set(metrics["period"])
    yield from (f"constituency_metrics has no period {period}" for period in sorted(missing))


def derived_differences(folder: Path) -> Iterator[str]:
    """Figures that differ from what follows from `hourly_stats`, `constituencies`, `anomalies` and `missing_input`."""
    tables = {name: read_table(folder, name) for name in TABLES}
    hours, places = tables["hourly_stats"], tables["constituencies"]
    known = places.set_index("constituency_id")
    register = known["registered_voters"].astype("Int64")
    yield from differences("hourly_stats", ["constituency_id", "hour"], hours, _rates_of_hours(hours))
    key = ["constituency_id", "period", "period_start"]
    again = constituency_metrics(hours.drop(columns=list(LINEAGE)), known["time_zone"], register)
    again["activity_pattern"] = again["activity_pattern"].map(_numbers, na_action="ignore")
    yield from differences("constituency_metrics", key, tables["constituency_metrics"], again)
    yield from differences("election_hours", ["hour"], tables["election_hours"], _hours_of_election(tables))
    totals = again[again["period"] == "election"]
    summary = _summary(tables, totals)
    yield from differences("election_summaries", ["election_id"], tables["election_summaries"], summary)
    region = pd.Series(places["region"].fillna("").to_numpy(), index=places["constituency_id"])
    regions = summarise(region, totals, hours, places, _NO_EXPECTED).rename_axis("region").reset_index()
    yield from differences(
        "region_summaries", ["region"], tables["region_summaries"], regions.drop(columns=list(_OF_INPUT))
    )
    extremes = participation_extremes(totals, places.astype({"registered_voters": "Int64"}))
    yield from differences("participation_extremes", ["side", "rank"], tables["participation_extremes"], extremes)
    current = tables["constituency_current"]
    shown = [name for name in totals.columns if name in current.columns and name not in _NOW]
    voted = current[current["transaction_count"].notna()]
    yield from differences("constituency_current", ["constituency_id"], voted, totals[shown])
    for name in ("election_summaries", "region_summaries"):
        coverage = tables[name].assign(
            coverage=percent(tables[name]["hours_delivered"], tables[name]["hours_expected"])
        )
        key = ["region"] if name == "region_summaries" else ["election_id"]
        yield from differences(name, key, tables[name], coverage[[*key, "coverage"]])
    yield from _missing(tables)
    yield from _minutes(tables["interval_stats"], hours)
    yield from _precincts(tables)
    yield from _registers(tables)
    yield from _verdicts(tables)
    yield from _counters(tables)
    lines = int(tables["quarantine"]["lines"].sum())
    rejected = int(tables["election_summaries"]["rejected_lines"].sum())
    if lines > rejected or bool(lines) != bool(rejected):
        yield f"quarantine has {lines:,} lines; election_summaries says {rejected:,} rejected lines"
    if len(hours) and tables["sources"].empty:
        yield "sources is empty, and hourly_stats is not"


def _rates_of_hours(hours: pd.DataFrame) -> pd.DataFrame:
    """The figures of an hour that follow from its counts and register; velocities as of the row's computation."""
    elapsed = (hours["computed_at"] - hours["hour"]).dt.total_seconds().div(3600).clip(0, 1)
    return hours[["constituency_id", "hour"]].assign(
        participation_rate=percent(hours["votes_cast"], hours["registered_voters"]),
        bulletin_velocity=per(hours["bulletins_issued"], elapsed),
        vote_velocity=per(hours["votes_cast"], elapsed),
    )


def _hours_of_election(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """`election_hours` from the hours of its constituencies, and the register that it says itself."""
    groups = tables["hourly_stats"].groupby("hour")
    sums = groups[[*_SUMMED, "bulletin_velocity", "vote_velocity"]].sum()
    sums = sums.assign(constituencies_active=groups.size(), last_transaction_at=groups["last_transaction_at"].max())
    register = tables["election_hours"].set_index("hour")["registered_voters"].astype("Int64")
    return election_hours(sums.reset_index(), register)


def _summary(tables: dict[str, pd.DataFrame], totals: pd.DataFrame) -> pd.DataFrame:
    places, findings = tables["constituencies"], tables["anomalies"]
    group = pd.Series(tables["elections"]["election_id"].iloc[0], index=places["constituency_id"])
    found = summarise(group, totals, tables["hourly_stats"], places, _NO_EXPECTED)
    found = found.rename_axis("election_id").reset_index()
    unresolved = findings[findings["state"] != "resolved"]
    by_severity = unresolved["severity"].value_counts()
    counts = {column: int(by_severity.get(severity, 0)) for severity, column in _OF_FINDINGS.items()}
    by_rule = {str(rule): int(number) for rule, number in unresolved["rule"].value_counts().items()}
    said = tables["election_summaries"]["anomalies_by_rule"].iloc[0]
    text = said if json.loads(said) == by_rule else json.dumps(by_rule)
    return found.drop(columns=list(_OF_INPUT)).assign(**counts, anomalies_by_rule=text)


def _missing(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    """The hours that are missing are those that are expected and not delivered, in each region and in all.

    A constituency with a missing hour is not complete.
    """
    missing, places = tables["missing_input"], tables["constituencies"].set_index("constituency_id")
    regions = missing["constituency_id"].map(places["region"]).fillna("").astype(str)
    by_region = missing["hours"].groupby(regions).sum()
    lacking = missing["constituency_id"].groupby(regions).nunique()
    rows = [("", tables["election_summaries"].iloc[0], missing["hours"].sum(), missing["constituency_id"].nunique())]
    rows += [
        (f" of {row['region']}", row, by_region.get(row["region"], 0), lacking.get(row["region"], 0))
        for _, row in tables["region_summaries"].iterrows()
    ]
    for name, row, hours, incomplete in rows:
        complete, total = row["constituencies_complete"], row["constituencies_total"]
        if not pd.isna(complete) and complete > total - incomplete:
            yield f"{complete:,} of {total:,} constituencies{name} are complete; {incomplete:,} are in missing_input"
        expected, delivered = row["hours_expected"], row["hours_delivered"]
        if not pd.isna(expected) and expected - delivered != hours:
            yield f"{delivered:,} of {expected:,} hours{name} are delivered; missing_input has {hours:,} hours"


def _minutes(intervals: pd.DataFrame, hours: pd.DataFrame) -> Iterator[str]:
    """The 5 minutes of an hour add up to it; hours may have none."""
    key = ["constituency_id", "hour"]
    names = ["bulletins_issued", "votes_cast"]
    sums = intervals.groupby(key)[names].sum().reset_index()
    counted = hours.merge(sums[key], on=key, how="inner")[[*key, *names]]
    yield from differences("hourly_stats", key, counted, sums, "summed over 5 minutes")


def _precincts(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    """The hours of a precinct add up to it; precincts have no more bulletins than the hour of their constituency."""
    rows, key = tables["precinct_hourly_stats"], ["constituency_id", "region_code", "precinct"]
    sums = rows.groupby(key)[["bulletins_issued", "voters_restored", "voters_removed"]].sum().reset_index()
    names = {"voters_restored": "restored_voters", "voters_removed": "removed_voters"}
    yield from differences(
        "precinct_current", key, tables["precinct_current"], sums.rename(columns=names), "summed over its hours"
    )
    of_hour = ["constituency_id", "hour"]
    issued = rows.groupby(of_hour)["bulletins_issued"].sum()
    counted = tables["hourly_stats"].set_index(of_hour)["bulletins_issued"].reindex(issued.index)
    more = issued.index[(issued > counted.fillna(0)).to_numpy(dtype=bool)]
    if len(more):
        yield f"precinct_hourly_stats: {_place(of_hour, more[0])} has more bulletins than hourly_stats"


def _registers(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    """The register of a constituency, told apart: its counts of calls, and the turnout of both registers."""
    said, places = tables["constituency_registers"], tables["constituencies"].set_index("constituency_id")
    calls = tables["register_changes"]
    votes = tables["hourly_stats"].groupby("constituency_id")["votes_cast"].sum()
    voted = said["constituency_id"].map(votes).fillna(0).astype("int64")
    current = said["constituency_id"].map(places["registered_voters"]).astype("Int64")
    again = said[["constituency_id"]].assign(
        current_voters=current, votes_cast=voted, rate_of_current_register=percent(voted, current),
        rate_of_initial_register=percent(voted, said["initial_voters"].astype("Int64")),
    )  # fmt: skip
    rates = ["rate_of_initial_register", "rate_of_current_register"]
    again[rates] = again[rates].where(said["constituency_id"].isin(votes.index))
    # The first is rounded to four places.
    is_rounded = (said[rates[0]] - again[rates[0]]).abs() <= _HALF_OF_LAST_PLACE
    again[rates[0]] = again[rates[0]].mask(is_rounded.fillna(False), said[rates[0]])
    yield from differences("constituency_registers", ["constituency_id"], said, again)
    for column, operation, sign in (
        ("restored_voters", "addToVotersList", 1), ("removed_voters", "removeFromVotersList", -1),
    ):  # fmt: skip
        summed = sign * calls[calls["operation"] == operation].groupby("constituency_id")["change"].sum()
        again = said.loc[said[column].notna(), ["constituency_id"]]
        again[column] = again["constituency_id"].map(summed).fillna(0)
        of_calls = said[said[column].notna()]
        yield from differences("constituency_registers", ["constituency_id"], of_calls, again, "summed over calls")


def _verdicts(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    """Votes of an hour that a verifier found invalid: those of its ballots that count, each once."""
    key = ["constituency_id", "hour"]
    ballots = tables["verdicts"][tables["verdicts"]["counts_as"] == "vote_cast"].drop_duplicates("transaction_id")
    again = ballots.groupby(key)["votes_found_invalid"].sum().reset_index()
    yield from differences("verdict_hourly_stats", key, tables["verdict_hourly_stats"], again, "summed over verdicts")


def _counters(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    """The hours of a constituency add up to the number that was published last."""
    said = tables["published_counters"].sort_values("observed_at")
    for counter, name in (("votes", "votes_cast"), ("bulletins", "bulletins_issued")):
        rows = said[said["counter"] == counter]
        last = rows.groupby("constituency_id").last().reset_index()
        summed = tables["hourly_stats"].groupby("constituency_id")[name].sum()
        wrong = last[last["published"] != last["constituency_id"].map(summed).fillna(0)]
        for row in wrong.head(1).itertuples():
            yield (
                f"published_counters: {row.constituency_id}: {row.published} {counter} were published last, the sum of "
                f"hourly_stats is {summed.get(row.constituency_id, 0)}"
            )
        over = rows[rows["counted"] > rows["published"]]
        if len(over):
            yield f"published_counters: {over['constituency_id'].iloc[0]} counts more {counter} than were published"


def _numbers(array: str) -> list[int]:
    return [int(number) for number in array.strip("{}").split(",")]


def differences(
    table: str, key: Sequence[str], said: pd.DataFrame, again: pd.DataFrame, by: str = "computed again"
) -> Iterator[str]:
    """Rows and figures of a table that differ from those computed again (or `by` something else), by column."""
    keys = list(key)
    left, right = said.set_index(keys).sort_index(), again.set_index(keys).sort_index()
    for rows, words in (
        (left.index.difference(right.index), f"is there, {by} it is not"),
        (right.index.difference(left.index), f"is missing, {by} it is there"),
    ):
        if len(rows):
            yield f"{table}: {_place(keys, rows[0])} {words}"
    both = left.index.intersection(right.index)
    left, right = left.loc[both], right.loc[both]
    for column in [name for name in right.columns if name in left.columns]:
        differs = _differ(left[column], right[column])
        if differs.any():
            place = int(np.argmax(differs))
            yield (
                f"{table}: {_place(keys, both[place])}: {column} is {left[column].iloc[place]}, {by} "
                f"{right[column].iloc[place]}"
            )


def _differ(said: pd.Series, again: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(said) and pd.api.types.is_numeric_dtype(again):
        one, other = (part.to_numpy(dtype="float64", na_value=np.nan) for part in (said, again))
        missing = said.isna().to_numpy() != again.isna().to_numpy()
        either: np.ndarray = np.logical_or(missing, ~np.isclose(one, other, rtol=_CLOSE, atol=_CLOSE, equal_nan=True))
        return either
    values = (
        (list(one) if isinstance(one, np.ndarray) else one, other) for one, other in zip(said, again, strict=True)
    )
    return np.array([not (_is_empty(one) and _is_empty(other)) and one != other for one, other in values], dtype=bool)


def _is_empty(value: Any) -> bool:
    return not isinstance(value, list) and bool(pd.isna(value))


def _place(keys: Sequence[str], values: Any) -> str:
    found = values if isinstance(values, tuple) else (values,)
    return " ".join(
        f"{value:%Y-%m-%dT%H:%MZ}" if isinstance(value, pd.Timestamp) else str(value)
        for _, value in zip(keys, found, strict=True)
    )
