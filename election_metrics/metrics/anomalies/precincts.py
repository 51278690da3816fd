"""Rules on precincts: more bulletins than voters, blocks of calls, precincts unlike the others of their contract."""

from typing import Any

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.chances import chance_of_at_least, chance_of_at_most
from election_metrics.metrics.anomalies.evidence import Evidence, Thresholds
from election_metrics.metrics.anomalies.findings import counted, findings, together
from election_metrics.metrics.anomalies.levels import SCATTER_OF_PART
from election_metrics.metrics.anomalies.rule import CHANCE, SCATTER, Rule, Threshold

_KEY = ["constituency_id", "region_code", "precinct"]


def precinct_above_register(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """More bulletins than registered voters, in a precinct whose whole register is known."""
    rows = _with_register(evidence)
    excess = rows["bulletins_issued"] - rows["registered_voters"]
    marked = rows.assign(excess=excess)[(excess >= thresholds["least_excess"]) & (rows["bulletins_issued"] > 0)]
    worst = _worst(evidence, marked, "excess", "bulletins_issued", "registered_voters")
    ever = worst["listed_voters"] + worst["restored_voters"]
    is_clear = (worst["observed"] > ever) & (ever >= thresholds["least_register"])
    is_clear &= ~worst["constituency_id"].isin(evidence.missing["constituency_id"])

    def words(row: Any) -> str:
        removed = f", {counted(row.removed_voters, 'voter')} removed before or after" if row.removed_voters else ""
        return (
            f"precinct {_number(row)} has {counted(row.observed, 'bulletin')} for "
            f"{counted(row.expected, 'registered voter')}{removed}{_others(row)}"
        )

    return findings(worst, is_clear.map({True: "critical", False: "warning"}), words)


def precinct_out_of_line(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """A precinct issued far more, or far fewer, bulletins than the other precincts of its contract let expect.

    Null model: bulletins in proportion to the register, their number negative binomial. Precincts whose voters were
    listed after the opening had less time, and are not compared.
    """
    rows = _with_register(evidence)
    opening = rows["constituency_id"].map(evidence.opening).astype("Float64")
    rows = rows[(rows["listed_until"] <= opening).fillna(False).to_numpy(dtype=bool)]
    of_contract = rows.groupby("constituency_id")[["bulletins_issued", "registered_voters"]].transform("sum")
    others = of_contract - rows[["bulletins_issued", "registered_voters"]]
    rows = rows.assign(
        mean=rows["registered_voters"] * others["bulletins_issued"] / others["registered_voters"].where(lambda n: n > 0)
    )
    # Those of the others must be enough to tell what is usual.
    is_known = np.minimum(rows["mean"], others["bulletins_issued"]) >= thresholds["least_expected"]
    rows = rows[is_known.to_numpy(dtype=bool, na_value=False)]
    issued, mean = rows["bulletins_issued"].to_numpy("float64"), rows["mean"].to_numpy("float64")
    ratio, chance = thresholds["ratio"], thresholds["chance"]
    is_high = (issued >= mean * ratio) & (chance_of_at_least(issued, mean, thresholds["scatter"]) < chance)
    is_low = (issued * ratio <= mean) & (chance_of_at_most(issued, mean, thresholds["scatter"]) < chance)
    distance = np.abs(np.log((issued + 1) / (mean + 1)))
    worst = _worst(evidence, rows.assign(distance=distance)[is_high | is_low], "distance", "bulletins_issued", "mean")
    return findings(
        worst, "warning",
        lambda row: f"precinct {_number(row)} has {counted(row.observed, 'bulletin')} for "
        f"{counted(row.registered_voters, 'registered voter')}; the other precincts of the constituency let expect "
        f"about {row.expected:.0f}{_others(row)}",
        thresholds["scatter"],
    )  # fmt: skip


def precinct_block(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Within an hour, many bulletins of one precinct of a contract, or much of its register removed.

    Null model: a precinct has its usual part of the contract's bulletins of each hour, negative binomial.
    """
    return together([_issued(evidence, thresholds), _removed(evidence, thresholds)])


_OPENING = 2
"""Hours from a precinct's first bulletin on that have a wave of their own: they are not judged."""


def _issued(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    totals = evidence.precincts
    of_contract = totals.groupby("constituency_id")[["bulletins_issued", "listed_voters"]].transform("sum")
    totals = totals.assign(
        elsewhere=of_contract["bulletins_issued"] - totals["bulletins_issued"],
        part=totals["listed_voters"] / (of_contract["listed_voters"] - totals["listed_voters"]).where(lambda n: n > 0),
    )
    rows = _hours(evidence, totals)
    # Its part in all other hours, so that the block itself is not what it is compared with; or that of the register.
    beside = rows["of_hour"] - rows["hour_issued"]
    own, other = rows["bulletins_issued"] - rows["hour_issued"], rows["elsewhere"] - beside
    mean = beside * np.fmax(own / other.where(other > 0), rows["part"])
    # Its usual hour, too: where others are closed, their bulletins tell nothing.
    usual = own / (rows["busy_hours"] - 1).clip(lower=1)
    rows = rows.assign(mean=np.fmax(mean, usual))
    is_known = (rows["busy_hours"] - 1 >= thresholds["least_hours"]) & (rows["elsewhere"] >= thresholds["least_excess"])
    is_known &= rows["hour_number"] >= rows["issued_since"] + _OPENING
    rows = rows[is_known.to_numpy(dtype=bool)]
    issued, mean = rows["hour_issued"].to_numpy("float64"), rows["mean"].to_numpy("float64")
    likely = np.maximum(mean, 1.0)
    is_block = (issued >= likely * thresholds["ratio"]) & (issued >= mean + thresholds["least_excess"])
    is_block &= chance_of_at_least(issued, likely, thresholds["scatter"]) < thresholds["chance"]
    worst = _worst_of_hour(rows.assign(excess=issued - mean)[is_block], "excess", "hour_issued", "mean")
    return findings(
        worst, "warning",
        lambda row: f"{counted(row.observed, 'bulletin')} of precinct {_number(row)} within an hour; its part of the "
        f"constituency's bulletins and its other hours let expect about {row.expected:.0f}{_others(row)}",
        thresholds["scatter"],
    )  # fmt: skip


def _removed(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    rows = _hours(evidence, evidence.precincts)
    ever = rows["listed_voters"] + rows["restored_voters"]
    is_block = (rows["hour_removed"] >= thresholds["least_removed"]) & (
        rows["hour_removed"] >= ever * thresholds["least_share"] / 100
    )
    worst = _worst_of_hour(
        rows.assign(expected_removed=0)[is_block], "hour_removed", "hour_removed", "expected_removed"
    )

    def words(row: Any) -> str:
        ever = row.listed_voters + row.restored_voters
        of_all = f", of {counted(ever, 'voter')}" if ever >= row.observed else ""
        return (
            f"{counted(row.observed, 'voter')} of precinct {_number(row)} removed within an hour{of_all}{_others(row)}"
        )

    return findings(worst, "info", words)


def _with_register(evidence: Evidence) -> pd.DataFrame:
    """Precincts whose register is known, in contracts of which every call on the register names a precinct."""
    rows = evidence.precincts
    rows = rows[rows["is_register_whole"].astype(bool) & (rows["listed_voters"] > 0)]
    return rows.assign(registered_voters=rows["listed_voters"] + rows["restored_voters"] - rows["removed_voters"])


def _hours(evidence: Evidence, totals: pd.DataFrame) -> pd.DataFrame:
    named = {"bulletins_issued": "hour_issued", "voters_removed": "hour_removed"}
    return evidence.precinct_hours.rename(columns=named).merge(totals, on=_KEY)


def _worst(evidence: Evidence, rows: pd.DataFrame, by: str, observed: str, expected: str) -> pd.DataFrame:
    """The precinct of each constituency with the highest value, from its opening on, and how many others are marked."""
    worst = _first_of(rows, ["constituency_id"], by, observed, expected)
    opening = worst["constituency_id"].map(evidence.opening).astype("Float64").fillna(worst["issued_since"])
    begin = opening.clip(upper=worst["last_hour"]).astype("int64")
    return worst.assign(window_start=begin, window_end=worst["last_hour"] + 1, is_ongoing=True)


def _worst_of_hour(rows: pd.DataFrame, by: str, observed: str, expected: str) -> pd.DataFrame:
    return _first_of(rows, ["constituency_id", "hour_number"], by, observed, expected).assign(
        window_start=lambda row: row["hour_number"], window_end=lambda row: row["hour_number"] + 1, is_ongoing=False
    )


def _first_of(rows: pd.DataFrame, group: list[str], by: str, observed: str, expected: str) -> pd.DataFrame:
    ordered = rows.sort_values([*group, by, *_KEY[1:]], ascending=[*(True for _ in group), False, True, True])
    others = ordered.groupby(group)[by].transform("size") - 1
    return ordered.assign(others=others, observed=ordered[observed], expected=ordered[expected]).drop_duplicates(group)


def _number(row: Any) -> str:
    return f"{row.region_code}-{row.precinct}" if row.region_code else f"{row.precinct}"


def _others(row: Any) -> str:
    return f"; the same of {counted(row.others, 'other precinct')}" if row.others else ""


RULES = (
    Rule(
        "precinct_above_register", precinct_above_register, True,
        "critical where more bulletins were issued than voters were ever listed and no hour is missing; else a warning",
        "A precinct has more bulletins than registered voters.",
        "A bulletin is issued to a voter of the list. Voters who are removed afterwards explain a few; the register is"
        " judged only where every call on it names a precinct.",
        {
            "least_excess": Threshold(1, "bulletins more than registered voters"),
            "least_register": Threshold(20, "voters ever listed; with fewer it is a warning"),
        },
    ),
    Rule(
        "precinct_out_of_line", precinct_out_of_line, True, "warning",
        "A precinct issued far more or far fewer bulletins than the others of its contract, for its register.",
        "One contract serves neighbouring precincts, whose voters had to apply in the same way. Null model: bulletins"
        " in proportion to the register, negative binomial (as of the other counts).",
        {
            "ratio": Threshold(1.5, "times the expected bulletins, or that part of them"),
            "least_expected": Threshold(20, "expected bulletins, and bulletins of the other precincts"),
            "chance": Threshold(1e-6, CHANCE),
            "scatter": Threshold(0.15, SCATTER),
        },
    ),
    Rule(
        "precinct_block", precinct_block, False, "warning; info for voters who are removed",
        "Within an hour, one precinct of a contract has far more bulletins than its usual part, or loses much of its"
        " register.",
        "Voters of all precincts come through the same day. A block of one may be bulletins that nobody asked for, or a"
        " list that a commission moved to paper. Null model: its part of the contract's bulletins in the other hours,"
        " negative binomial.",
        {
            "ratio": Threshold(4, "times the expected bulletins"),
            "least_excess": Threshold(30, "bulletins more than expected"),
            "least_hours": Threshold(5, "other hours with bulletins of the precinct; with fewer its part is not known"),
            "least_removed": Threshold(50, "voters removed"),
            "least_share": Threshold(10, "percent of the precinct's voters removed"),
            "chance": Threshold(1e-6, CHANCE),
            "scatter": Threshold(SCATTER_OF_PART, SCATTER),
        },
    ),
)  # fmt: skip
