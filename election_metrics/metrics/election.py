"""`election_summaries`, `region_summaries` and `participation_extremes`: rows of an election and its regions."""

import pandas as pd

from election_metrics.counts import NAMES
from election_metrics.metrics.rates import percent

SMALLEST_RANKED = 100
"""Registered voters below which a constituency is not ranked: in a small one each vote moves the rate by percents."""
_RANKED = 10


def summarise(
    group: pd.Series, totals: pd.DataFrame, hours: pd.DataFrame, constituencies: pd.DataFrame, expected: pd.DataFrame
) -> pd.DataFrame:
    """Aggregates constituencies to groups: the whole election, or its regions.

    Args:
        group: the group of each constituency, by constituency_id.
        totals: `constituency_metrics` of period `election`.
        hours: constituency_id, hour, votes_cast of `hourly_stats`.
        constituencies: constituency_id, registered_voters, starts_at.
        expected: `coverage` of these constituencies.

    Returns:
        The columns that `election_summaries` and `region_summaries` share, by group.
    """
    register = constituencies.set_index("constituency_id")["registered_voters"].astype("Int64")
    reporting = totals.loc[(totals["bulletins_issued"] > 0) | (totals["votes_cast"] > 0), "constituency_id"]
    of_total = totals["constituency_id"].map(group)
    members = register.index.to_series().map(group)
    frame = pd.DataFrame({"constituencies_total": members.groupby(members).size()})

    def number_of(ids: pd.Series) -> pd.Series:
        return ids.map(group).value_counts().reindex(frame.index, fill_value=0).astype("int64")

    unknown = register.index[register.isna()].to_series()
    frame["constituencies_reporting"] = number_of(reporting)
    frame["constituencies_silent"] = frame["constituencies_total"] - frame["constituencies_reporting"]
    frame["registered_voters"] = register.groupby(members).sum(min_count=1)
    frame["constituencies_without_register"] = number_of(unknown)
    sums = totals[list(NAMES)].groupby(of_total).sum().reindex(frame.index, fill_value=0)
    frame[list(NAMES)] = sums.astype("int64")
    frame["first_transaction_at"] = totals.groupby(of_total)["first_transaction_at"].min()
    frame["last_transaction_at"] = totals.groupby(of_total)["last_transaction_at"].max()
    frame[["peak_hour", "peak_votes"]] = _peaks(hours, group)
    frame["peak_votes"] = frame["peak_votes"].astype("Int64")
    timed = constituencies.loc[constituencies["starts_at"].notna(), "constituency_id"].map(group)
    coverage = _coverage(expected, group, members, timed)
    frame[list(coverage.columns)] = coverage
    for column in ("peak_hour", "first_transaction_at", "last_transaction_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    comparable = frame["registered_voters"].where(number_of(reporting[reporting.isin(unknown)]) == 0)
    return frame.assign(
        participation_rate=percent(frame["votes_cast"], comparable),
        issue_rate=percent(frame["bulletins_issued"], comparable),
        gap=frame["bulletins_issued"] - frame["votes_cast"],
        gap_rate=percent(frame["bulletins_issued"] - frame["votes_cast"], frame["bulletins_issued"]),
        anomaly_score=percent(frame["anomaly_count"], frame["transaction_count"]),
        coverage=percent(frame["hours_delivered"], frame["hours_expected"]),
    )


def votes_by_group(hours: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """Votes by hour and group of constituencies, each under the id of one of the group, which stands for all.

    Args:
        hours: constituency_id, hour, votes_cast.
        group: the group of each constituency, by constituency_id.

    Returns:
        The columns of `hours`.
    """
    number, ids = pd.factorize(hours["constituency_id"])
    which, _ = pd.factorize(group.reindex(ids), use_na_sentinel=False)
    first_of = pd.Series(ids).groupby(which).first()
    rows = pd.DataFrame({"which": which[number], "hour": hours["hour"], "votes_cast": hours["votes_cast"]})
    sums = rows.groupby(["which", "hour"], as_index=False)["votes_cast"].sum()
    return sums.assign(constituency_id=first_of.reindex(sums["which"]).to_numpy()).drop(columns="which")


def _peaks(hours: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """The hour with the most votes of each group (the earliest of equal ones); groups without votes are omitted."""
    sums = hours.groupby([hours["constituency_id"].map(group).rename("group"), "hour"])["votes_cast"].sum()
    voted = sums[sums > 0].reset_index().sort_values(["votes_cast", "hour"], ascending=[False, True])
    best = voted.drop_duplicates("group").set_index("group")
    return best.rename(columns={"hour": "peak_hour", "votes_cast": "peak_votes"})


def _coverage(expected: pd.DataFrame, group: pd.Series, members: pd.Series, timed: pd.Series) -> pd.DataFrame:
    """hours_expected, hours_delivered, constituencies_complete by group; NA if no hours are expected."""
    by_constituency = expected.groupby("constituency_id")["is_delivered"].agg(["size", "sum"])
    of_group = by_constituency.index.to_series().map(group)
    frame = pd.DataFrame(
        {
            "hours_expected": by_constituency["size"].groupby(of_group).sum(),
            "hours_delivered": by_constituency["sum"].groupby(of_group).sum(),
            "constituencies_complete": (by_constituency["size"] == by_constituency["sum"]).groupby(of_group).sum(),
        }
    )
    nothing_yet = frame.reindex(timed.unique()).isna().all(axis=1)
    frame = frame.reindex(members.unique()).astype("Int64")
    frame.loc[nothing_yet.index[nothing_yet], ["hours_expected", "hours_delivered", "constituencies_complete"]] = 0
    return frame


def participation_extremes(totals: pd.DataFrame, constituencies: pd.DataFrame) -> pd.DataFrame:
    """The ten constituencies with the highest and the ten with the lowest participation; small ones are left out.

    Args:
        totals: `constituency_metrics` of period `election`.
        constituencies: constituency_id, registered_voters; those without a transaction have not voted.

    Returns:
        side (`leading`, `trailing`), rank, constituency_id, registered_voters, votes_cast, participation_rate.
    """
    large = constituencies[(constituencies["registered_voters"] >= SMALLEST_RANKED).fillna(False)]
    ranked = large[["constituency_id", "registered_voters"]].merge(
        totals[["constituency_id", "votes_cast"]], on="constituency_id", how="left"
    )
    ranked["votes_cast"] = ranked["votes_cast"].fillna(0).astype("int64")
    ranked["participation_rate"] = percent(ranked["votes_cast"], ranked["registered_voters"])
    sides = []
    for side, ascending in (("leading", False), ("trailing", True)):
        best = ranked.sort_values(["participation_rate", "constituency_id"], ascending=[ascending, True]).head(_RANKED)
        sides.append(best.assign(side=side, rank=range(1, len(best) + 1)))
    return pd.concat(sides, ignore_index=True)
