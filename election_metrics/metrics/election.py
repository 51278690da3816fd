"""`election_summaries`: one row an election."""

from datetime import datetime

import pandas as pd

from election_metrics.metrics.constituency import COUNTS
from election_metrics.metrics.rates import percent

_HOUR = pd.Timedelta(hours=1)


def election_summary(
    totals: pd.DataFrame,
    hours: pd.DataFrame,
    constituencies: pd.DataFrame,
    deliveries: pd.DataFrame,
    rejected_lines: int,
    now: datetime,
) -> pd.DataFrame:
    """The summary of one election, as a frame of one row.

    Args:
        totals: `constituency_metrics` of the election, period `election`.
        hours: the same, period `hour`.
        constituencies: its constituencies: constituency_id, registered_voters, starts_at, ends_at.
        deliveries: constituency_id, starts_at, ends_at of what its files cover.
        rejected_lines: lines in quarantine from its files.
        now: the clock: hours that are not over yet are not expected.

    Returns:
        The columns of `election_summaries` except election_id, run_id and computed_at.
    """
    counts = {count: int(totals[count].sum()) for count in COUNTS}
    with_ballots = set(totals.loc[(totals["bulletins_issued"] > 0) | (totals["votes_cast"] > 0), "constituency_id"])
    register = constituencies.set_index("constituency_id")["registered_voters"].astype("Int64")
    unknown = set(register[register.isna()].index)
    voters = register.sum(min_count=1)
    expected, delivered = coverage(constituencies, deliveries, now)
    by_hour = hours.groupby("period_start")["votes_cast"].sum()
    peak = by_hour.idxmax() if len(by_hour) and by_hour.max() > 0 else None
    row = {
        "constituencies_total": len(constituencies),
        "constituencies_reporting": len(with_ballots),
        "constituencies_silent": len(constituencies) - len(with_ballots),
        "registered_voters": voters,
        "constituencies_without_register": len(unknown),
        **counts,
        "gap": counts["bulletins_issued"] - counts["votes_cast"],
        "hours_expected": expected,
        "hours_delivered": delivered,
        "rejected_lines": rejected_lines,
        "peak_hour": peak,
        "peak_votes": None if peak is None else int(by_hour.max()),
        "first_transaction_at": totals["first_transaction_at"].min() if len(totals) else None,
        "last_transaction_at": totals["last_transaction_at"].max() if len(totals) else None,
    }
    frame = pd.DataFrame([row])
    for column in ("registered_voters", "hours_expected", "hours_delivered", "peak_votes"):
        frame[column] = frame[column].astype("Int64")
    for column in ("peak_hour", "first_transaction_at", "last_transaction_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    is_comparable = pd.Series([not with_ballots & unknown])
    comparable = frame["registered_voters"].where(is_comparable)
    return frame.assign(
        participation_rate=percent(frame["votes_cast"], comparable),
        gap_rate=percent(frame["gap"], frame["bulletins_issued"]),
        coverage=percent(frame["hours_delivered"], frame["hours_expected"]),
    )


def coverage(
    constituencies: pd.DataFrame, deliveries: pd.DataFrame, now: datetime
) -> tuple[int, int] | tuple[None, None]:
    """How many constituency hours of voting are over by now, and how many of them some file covers.

    Returns:
        (None, None) where the voting times of no constituency are known.
    """
    timed = constituencies.dropna(subset=["starts_at"])
    if timed.empty:
        return None, None
    present = pd.Timestamp(now).tz_convert("UTC").floor("h")
    ends = pd.to_datetime(timed["ends_at"], utc=True).fillna(present)
    ends = ends.where(ends < present, present)
    first = _hour_number(pd.to_datetime(timed["starts_at"], utc=True).dt.floor("h"))
    last = _hour_number(ends.dt.ceil("h"))
    window = pd.DataFrame({"constituency_id": timed["constituency_id"], "first": first, "last": last})
    expected = int((window["last"] - window["first"]).clip(lower=0).sum())
    files = deliveries.dropna(subset=["starts_at", "ends_at"])
    spans = pd.DataFrame(
        {
            "constituency_id": files["constituency_id"],
            "from": _hour_number(pd.to_datetime(files["starts_at"], utc=True).dt.floor("h")),
            "to": _hour_number(pd.to_datetime(files["ends_at"], utc=True).dt.ceil("h")),
        }
    ).merge(window, on="constituency_id")
    spans["from"] = spans[["from", "first"]].max(axis=1)
    spans["to"] = spans[["to", "last"]].min(axis=1)
    return expected, _union_length(spans[spans["to"] > spans["from"]])


def _hour_number(instants: pd.Series) -> pd.Series:
    return (instants - pd.Timestamp(0, tz="UTC")) // _HOUR


def _union_length(spans: pd.DataFrame) -> int:
    """Hours that at least one span of their constituency covers: each span counts beyond what those before reach."""
    ordered = spans.sort_values(["constituency_id", "from", "to"])
    reach = ordered.groupby("constituency_id")["to"].cummax().groupby(ordered["constituency_id"]).shift()
    begin = ordered["from"].where(reach.isna() | (reach < ordered["from"]), reach)
    return int((ordered["to"] - begin).clip(lower=0).sum())
