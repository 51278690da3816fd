"""Rules on ballots: impossible or unlikely counts within a constituency."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.chances import chance_of_at_most, chance_of_share
from election_metrics.metrics.anomalies.evidence import Evidence, Thresholds
from election_metrics.metrics.anomalies.findings import counted, episodes, findings, no_findings, together

_OUTCOMES = ["votes_cast", "votes_rejected", "votes_unknown", "revotes"]


def votes_exceed_bulletins(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """More votes than bulletins, counted from the first hour."""
    rows = evidence.running
    excess = rows["running_votes"] - rows["running_bulletins"]
    found = episodes(
        rows.assign(observed=rows["running_votes"], expected=rows["running_bulletins"]),
        excess >= thresholds["least_excess"],
        lasting=True, observed="last", expected="last",
    )  # fmt: skip
    found["hint"] = _incomplete(evidence, found["constituency_id"], "the bulletins")
    severity = (found["hint"] == "").map({True: "critical", False: "warning"})

    def words(row: Any) -> str:
        return f"{_against(row.observed, row.expected)}, counted from the first hour{row.hint}"

    return findings(found, severity, words)


def gap_outside_band(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """The gap of an hour is larger than is usual for the time since the opening."""
    rows = evidence.running[evidence.running["bulletins_issued"] >= thresholds["least_bulletins"]]
    band = np.where(rows["since_opening"] < 1, thresholds["first_hour_gap"], thresholds["gap"])
    least = rows["bulletins_issued"] * (1 - band / 100)
    is_low = rows["votes_cast"] < least
    few = rows.loc[is_low, "votes_cast"].to_numpy()
    is_low[is_low] = chance_of_at_most(few, least[is_low].to_numpy(), thresholds["scatter"]) < thresholds["chance"]
    found = episodes(
        rows.assign(least=least), is_low, lasting=True, votes_cast="sum", bulletins_issued="sum", least="sum"
    )
    found["observed"] = (1 - found["votes_cast"] / found["bulletins_issued"]) * 100
    found["expected"] = (1 - found["least"] / found["bulletins_issued"]) * 100
    severity = (found["observed"] >= thresholds["critical_gap"]).map({True: "critical", False: "warning"})
    return findings(
        found, severity,
        lambda row: f"{_against(row.votes_cast, row.bulletins_issued)}: a gap of {row.observed:.1f} %; "
        f"the usual maximum is {row.expected:.0f} %",
    )  # fmt: skip


def turnout_above_register(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """More votes than registered voters."""
    rows = evidence.running.dropna(subset=["registered_voters"])
    found = episodes(
        rows.assign(observed=rows["running_votes"], expected=rows["registered_voters"]),
        rows["running_votes"] >= rows["registered_voters"] + thresholds["least_excess"],
        lasting=True, observed="last", expected="last",
    )  # fmt: skip
    found["hint"] = _incomplete(evidence, found["constituency_id"], "calls on the register", of_hours=False)
    found["is_tiny"] = found["expected"] < thresholds["least_register"]
    return findings(
        found, (found["is_tiny"] | (found["hint"] != "")).map({True: "warning", False: "critical"}),
        lambda row: f"{counted(row.observed, 'vote')} from {counted(row.expected, 'registered voter')}: "
        + ("voters of other registers may vote here, or it is not loaded" if row.is_tiny else
           "the register may be incomplete") + row.hint,
    )  # fmt: skip


def _incomplete(evidence: Evidence, ids: pd.Series, what: str, *, of_hours: bool = True) -> pd.Series:
    """Says of constituencies whose input is not whole that the rest may hold this; empty where it is whole.

    `of_hours`: hours that are missing are such a reason, besides what cannot be read.
    """
    unread = {*evidence.lines["constituency_id"], *evidence.unread["constituency_id"]}
    missing = set(evidence.missing["constituency_id"]) if of_hours else set()
    reasons = [
        "lines or files cannot be read" if name in unread else "hours are missing" if name in missing else ""
        for name in ids
    ]
    return pd.Series([reason and f"; {reason}, and they may hold {what}" for reason in reasons], index=ids.index)


def outside_voting(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Bulletins or votes before the opening or after the close."""
    rows = evidence.hours
    found = episodes(
        rows.assign(observed=rows["outside_voting"], expected=0),
        rows["outside_voting"] >= thresholds["least_ballots"],
        lasting=False, observed="sum", expected="sum",
    )  # fmt: skip
    return findings(
        found, "warning",
        lambda row: f"{counted(row.observed, 'bulletin or vote', 'bulletins or votes')} outside the voting times "
        "(votes are accepted until 15 minutes after the close)",
    )  # fmt: skip


def rejected_share(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """An unusual share of an hour's votes was rejected."""
    return _share_of_votes(evidence, thresholds, "votes_rejected", "was rejected", "were rejected")


def unknown_outcomes(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """An unusual share of an hour's votes has an unknown outcome: neither a failure nor a recorded vote."""
    return _share_of_votes(evidence, thresholds, "votes_unknown", "has an unknown outcome", "have an unknown outcome")


def revotes(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """An unusual share of an hour's votes came from voter keys that had already voted."""
    one, many = "came from a voter key that had already voted", "came from voter keys that had already voted"
    return _share_of_votes(evidence, thresholds, "revotes", one, many)


def _share_of_votes(evidence: Evidence, thresholds: Thresholds, column: str, one: str, many: str) -> pd.DataFrame:
    rows = evidence.hours
    total = sum((rows[name] for name in _OUTCOMES[1:]), rows[_OUTCOMES[0]])
    return _unusual_share(rows, rows[column], total, thresholds, "vote", (one, many))


def rollback_cluster(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """An unusual share of an hour's transactions was withdrawn."""
    rows = evidence.hours
    total = rows["transaction_count"] + rows["withdrawn"]
    return _unusual_share(
        rows, rows["withdrawn"], total, thresholds, "transaction", ("was withdrawn", "were withdrawn")
    )


def _unusual_share(
    rows: pd.DataFrame, part: pd.Series, total: pd.Series, thresholds: Thresholds, noun: str, did: tuple[str, str]
) -> pd.DataFrame:
    is_unusual = (part >= thresholds["least_count"]) & (part >= total * thresholds["least_share"] / 100)
    some, of_all = part[is_unusual].to_numpy(), total[is_unusual].to_numpy()
    is_unusual[is_unusual] = chance_of_share(some, of_all, thresholds["usual_share"] / 100) < thresholds["chance"]
    found = episodes(rows.assign(part=part, total=total), is_unusual, lasting=False, part="sum", total="sum")
    found["observed"] = found["part"] / found["total"] * 100
    found["expected"] = thresholds["usual_share"]
    severity = (found["observed"] >= thresholds["critical_share"]).map({True: "critical", False: "warning"})

    def words(row: Any) -> str:
        one, many = (f"of {counted(row.total, noun)} {verb}" for verb in did)
        return f"{counted(row.part, one, many)}: {row.observed:.1f} %; the usual share is {row.expected:g} %"

    return findings(found, severity, words)


def voter_issued_twice(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Bulletins were issued to voters who already had one."""
    rows = evidence.repeated_issues.sort_values(["constituency_id", "hour_number"]).reset_index(drop=True)
    found = episodes(
        rows.assign(observed=rows["voters"], expected=0), rows["voters"] >= thresholds["least_voters"],
        lasting=False, observed="sum", expected="sum",
    )  # fmt: skip
    one, many = "bulletin issued to a voter who already had one", "bulletins issued to voters who already had one"
    return findings(found, "warning", lambda row: counted(row.observed, one, many))


def register_change(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """The register of a constituency changed substantially while voting was open."""
    rows = evidence.register_changes.sort_values(["constituency_id", "hour_number"]).reset_index(drop=True)
    ids = rows["constituency_id"]
    known = evidence.constituencies.set_index("constituency_id")["registered_voters"]
    register = known.reindex(ids).to_numpy(dtype="float64", na_value=np.nan)
    opening = evidence.opening.reindex(ids).to_numpy(dtype="float64", na_value=np.nan)
    closing = evidence.closing.reindex(ids).to_numpy(dtype="float64", na_value=np.inf)
    is_voting = (rows["hour_number"] > opening) & (rows["hour_number"] <= closing)
    is_large = (rows["voters"] >= thresholds["least_voters"]) & (
        rows["voters"] >= register * thresholds["least_share"] / 100
    )
    found = episodes(
        rows.assign(observed=rows["voters"], expected=0, register=register), is_voting & is_large,
        lasting=False, observed="sum", expected="sum", register="last",
    )  # fmt: skip
    return findings(
        found, "warning",
        lambda row: f"{counted(row.observed, 'voter')} added to or removed from a register of {row.register:.0f}",
    )  # fmt: skip


def figures_fall(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Fewer transactions than before; transactions that rollbacks withdrew are included in both counts."""
    hours = evidence.hours
    totals = evidence.total(hours["transaction_count"] + hours["withdrawn"])
    highest = evidence.highest.rename(columns={"transactions": "expected", "first_hour": "window_start"})
    # A constituency whose files all became empty has no rows in `hours`.
    observed = totals.reindex(highest["constituency_id"]).fillna(0).to_numpy(dtype="int64")
    found = highest.assign(observed=observed, window_end=highest["last_hour"] + 1, is_ongoing=True)
    of_transactions = findings(
        found[found["expected"] - found["observed"] >= thresholds["least_fall"]], "warning",
        lambda row: f"transactions fell from {row.expected:.0f} to {row.observed:.0f}: "
        "a file was replaced by one with fewer transactions, or some ids now count in another constituency",
    )  # fmt: skip
    return together([of_transactions, _falls_of_counters(evidence, thresholds["least_fall"])])


def _falls_of_counters(evidence: Evidence, least: float) -> pd.DataFrame:
    """Counters that were published with a lower number than before; each is a correction by those who publish."""
    if evidence.falls.empty:
        return no_findings()
    falls = evidence.falls[evidence.falls["expected"] - evidence.falls["observed"] >= least]
    return findings(
        falls.assign(is_ongoing=True), "warning",
        lambda row: f"the published number of {row.counter} fell from {row.expected:.0f} to {row.observed:.0f}: those"
        f" who publish it corrected it (in {row.file}); the hours before are corrected down to it",
    )  # fmt: skip


def conflicting_ids(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Transaction ids with several rows that differ."""
    rows = evidence.conflicts.sort_values(["constituency_id", "hour_number"]).reset_index(drop=True)
    found = episodes(
        rows.assign(observed=rows["transactions"], expected=0), rows["transactions"] >= thresholds["least_ids"],
        lasting=False, observed="sum", expected="sum", lost="sum", files="sum",
    )  # fmt: skip
    return findings(
        found, "warning",
        lambda row: f"{counted(row.observed, 'transaction id has', 'transaction ids have')} rows that differ; "
        f"{counted(row.lost, 'row here does', 'rows here do')} not count{_which_files(row.files)}; "
        "a file may be in the wrong folder, or may have been made twice",
    )  # fmt: skip


_FILES_NAMED = 3


def _which_files(pairs: Sequence[tuple[str, str, Sequence[str]]]) -> str:
    """The files in which ids count and do not count, as pairs of files; the pairs with the most ids come first."""
    shared: dict[tuple[str, str], set[str]] = {}
    for counts_in, not_in, ids in pairs:
        shared.setdefault((counts_in, not_in), set()).update(ids)
    by_size = sorted(shared.items(), key=lambda item: (-len(item[1]), item[0]))
    sentences = [
        f"{min(ids)}{f' and {len(ids) - 1} more count' if len(ids) > 1 else ' counts'} in {counts_in}, not in {not_in}"
        for (counts_in, not_in), ids in by_size[:_FILES_NAMED]
    ]
    if len(by_size) > _FILES_NAMED:
        sentences.append(counted(len(by_size) - _FILES_NAMED, "more pair of files", "more pairs of files"))
    return f": {'; '.join(sentences)}" if sentences else ""


def register_below_zero(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """More voters were removed from a register than were added."""
    rows = evidence.registers.sort_values(["constituency_id", "hour_number"]).reset_index(drop=True)
    found = episodes(
        rows.assign(observed=rows["voters"], expected=0), rows["voters"] <= -thresholds["least_voters"],
        lasting=True, observed="last", expected="last",
    )  # fmt: skip
    return findings(
        found, "warning",
        lambda row: f"{counted(-row.observed, 'more voter was', 'more voters were')} removed from the register than "
        "were added: the size of the register is not known, and neither is turnout",
    )  # fmt: skip


def _against(votes: float, bulletins: float) -> str:
    return f"{counted(votes, 'vote')} against {counted(bulletins, 'bulletin')}"


def tally_differs(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Published tallies whose sum does not fit the accepted votes, or that cannot be read."""
    rows = evidence.tallies
    beyond = (rows["tally_sum"] - rows["highest_sum"]).clip(lower=0) + (rows["lowest_sum"] - rows["tally_sum"]).clip(
        lower=0
    )
    is_wrong = rows["status"].isin(["unreadable", "portal_differs"])
    is_wrong |= beyond.fillna(0) >= thresholds["least_difference"]
    # The sum fits, but the contract has another number of options.
    is_wrong |= (rows["status"] == "differs") & (beyond.fillna(0) == 0)
    wrong = rows[is_wrong.to_numpy(dtype=bool)]
    found = wrong.assign(
        window_start=wrong["hour_number"], window_end=wrong["hour_number"] + 1, is_ongoing=True,
        observed=wrong["tally_sum"], expected=wrong["votes_cast"],
    )  # fmt: skip
    return findings(found, "critical", _said_of_tally)


def _said_of_tally(row: Any) -> str:
    question = f"question {row.question:.0f}"
    if row.status == "unreadable":
        return "the published tally cannot be read"
    if row.status == "portal_differs":
        return f"the portal published other votes for the options of {question} than the contract"
    low, high = f"{row.lowest_sum:.0f}", f"{row.highest_sum:.0f}"
    fits = low if low == high else f"{low} to {high}"
    if row.lowest_sum <= row.tally_sum <= row.highest_sum:
        return f"the published tally of {question} has another number of options than the contract"
    return (
        f"the published tally of {question} has {row.tally_sum:.0f} marks, {counted(row.votes_cast, 'accepted vote')} "
        f"give {fits}; first look at what is missing here"
    )
