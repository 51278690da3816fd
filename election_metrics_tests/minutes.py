"""Hours of an election from inside, made up from its counts, and faults put into them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from election_metrics.clock import INTERVALS
from election_metrics.metrics.anomalies.evidence import Evidence
from election_metrics.metrics.anomalies.inside import InsideHours


def with_minutes(evidence: Evidence, random: np.random.Generator) -> Evidence:
    """The evidence with its hours' ballots spread over their minutes by chance, and with gaps of chance between votes."""
    hours = evidence.hours[evidence.hours["bulletins_issued"] + evidence.hours["votes_cast"] > 0]
    counts = [
        random.multinomial(hours[name].to_numpy(), [1 / INTERVALS] * INTERVALS)
        for name in ("bulletins_issued", "votes_cast")
    ]
    votes = hours["votes_cast"].to_numpy()
    gaps = [np.diff(np.sort(random.uniform(0, 3600, number))) if number >= 20 else np.zeros(0) for number in votes]
    rows = InsideHours().rows.reindex(range(len(hours))).assign(
        constituency_id=hours["constituency_id"].to_numpy(),
        hour_number=hours["hour_number"].to_numpy(),
        vote_gaps=[len(one) or pd.NA for one in gaps],
        gap_seconds=[one.sum() for one in gaps],
        gap_squares=[(one**2).sum() for one in gaps],
    )  # fmt: skip
    return replace(evidence, inside=InsideHours(rows.astype(InsideHours().rows.dtypes), *counts))


Fault = Callable[[Evidence, int], Evidence]
"""Puts a fault into one row of `inside`."""


def _with(evidence: Evidence, row: int, **values: object) -> Evidence:
    rows = evidence.inside.rows.copy()
    rows.loc[row, list(values)] = list(values.values())
    return replace(evidence, inside=replace(evidence.inside, rows=rows))


def _burst(evidence: Evidence, row: int) -> Evidence:
    """In a third of the constituencies, ten minutes hold as many votes again as their hour."""
    inside, counts = evidence.inside, evidence.inside.votes.copy()
    same_hour = (inside.rows["hour_number"] == inside.rows.at[row, "hour_number"]).to_numpy()
    chosen = np.flatnonzero(same_hour)[::3]
    counts[chosen, 6:8] += counts[chosen].sum(axis=1, keepdims=True) // 2
    return replace(evidence, inside=replace(inside, votes=counts))


def _regular(evidence: Evidence, row: int) -> Evidence:
    return _with(evidence, row, vote_gaps=200, gap_seconds=3400.0, gap_squares=3400.0**2 / 200 * 1.1)


def _equal(evidence: Evidence, row: int) -> Evidence:
    return _with(evidence, row, vote_gaps=100, gap_seconds=3400.0, gap_squares=230_000.0, equal_gaps=12, equal_gap=9)


def _votes_alone(evidence: Evidence, row: int) -> Evidence:
    inside, counts = evidence.inside, [evidence.inside.bulletins.copy(), evidence.inside.votes.copy()]
    counts[0][row, 3:] = 0
    counts[1][row, 10:] = 60
    return replace(evidence, inside=InsideHours(inside.rows, *counts))


def _one_registrar(evidence: Evidence, row: int) -> Evidence:
    return _with(
        evidence, row, registrar="registra", registrar_run=30, registrar_own=31, registrar_before=40, registrar_after=60
    )


def _registered(evidence: Evidence, row: int) -> Evidence:
    place, hour = evidence.inside.rows.loc[row, ["constituency_id", "hour_number"]]
    loaded = int(evidence.opening[place]) * INTERVALS
    rows = [(place, loaded, 5_000), (place, int(hour) * INTERVALS + 5, 60)]
    return replace(evidence, registrations=pd.DataFrame(rows, columns=["constituency_id", "interval_number", "voters"]))


FAULTS_INSIDE: dict[str, tuple[str, Fault]] = {
    "burst": ("ten minutes hold an hour's votes again, in a third of all constituencies", _burst),
    "regular_votes": ("200 votes with gaps that vary by a third of their mean", _regular),
    "equal_gaps": ("12 gaps of 9 seconds in a row", _equal),
    "votes_without_bulletins": ("120 votes in ten minutes, no bulletin for 45", _votes_alone),
    "registrar_block": ("30 bulletins of one registrar in a row, 1 of 100 elsewhere", _one_registrar),
    "registration_block": ("60 voters added within 5 minutes", _registered),
}
"""By rule: the fault in words, and how it is put in. Into hours of this many votes and more."""

LEAST_VOTES = 60
