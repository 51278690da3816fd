"""How many constituencies of an election each rule can judge: small ones have too few votes for most of them."""

from collections.abc import Callable, Collection, Mapping

import numpy as np
import pandas as pd

from election_metrics.clock import INTERVALS
from election_metrics.metrics.anomalies.evidence import Evidence, Thresholds
from election_metrics.metrics.anomalies.rules import RULES
from election_metrics.metrics.anomalies.synchronised import TELLING, chance_of_fall

_Judged = Callable[[Evidence, Thresholds], np.ndarray]
"""From the figures so far, whether a rule can judge each constituency in any hour: a row for each."""


def _with_row(evidence: Evidence, rows: pd.DataFrame, is_judged: pd.Series | np.ndarray) -> np.ndarray:
    """Constituencies with such a row."""
    known = evidence.constituencies["constituency_id"]
    found: np.ndarray = known.isin(rows.loc[is_judged, "constituency_id"]).to_numpy()
    return found


def _with_hour(evidence: Evidence, is_judged: pd.Series) -> np.ndarray:
    """Constituencies with such a row of `hours`."""
    found = np.zeros(len(evidence.constituencies), dtype=bool)
    found[evidence.place[is_judged.to_numpy(dtype=bool)]] = True
    return found


def _in_any_grid(evidence: Evidence, judged: list[np.ndarray]) -> np.ndarray:
    nothing = np.zeros((len(evidence.constituencies), 1), dtype=bool)
    return np.asarray(np.concatenate([nothing, *judged], axis=1).any(axis=1))


def _voters(evidence: Evidence) -> np.ndarray:
    """Registered voters; infinite where not known."""
    voters: np.ndarray = evidence.constituencies["registered_voters"].to_numpy("float64", na_value=np.inf)
    return voters


def _spike(evidence: Evidence, thresholds: Thresholds) -> np.ndarray:
    known = [grid.is_voting & ~np.isnan(of.most) for grid, of in zip(evidence.grids, evidence.expected, strict=True)]
    found: np.ndarray = _in_any_grid(evidence, known) & (_voters(evidence) >= thresholds["least_excess"])
    return found


def _drop(evidence: Evidence, thresholds: Thresholds) -> np.ndarray:
    return _in_any_grid(evidence, [of.least >= thresholds["least_expected"] for of in evidence.expected])


def _silence(evidence: Evidence, thresholds: Thresholds) -> np.ndarray:
    sums = [
        np.nansum(np.where(grid.is_voting, of.least, 0.0), axis=1, keepdims=True)
        for grid, of in zip(evidence.grids, evidence.expected, strict=True)
    ]
    return _in_any_grid(evidence, [total >= thresholds["least_expected"] for total in sums])


def _gap(evidence: Evidence, thresholds: Thresholds) -> np.ndarray:
    return _with_hour(evidence, evidence.hours["bulletins_issued"] >= thresholds["least_bulletins"])


def _share(*names: str) -> _Judged:
    """Of hours with enough of these in all."""

    def judged(evidence: Evidence, thresholds: Thresholds) -> np.ndarray:
        counts = sum((evidence.hours[name] for name in names[1:]), evidence.hours[names[0]])
        return _with_hour(evidence, counts >= thresholds["least_count"])

    return judged


def _at_once(chance: Callable[[np.ndarray, Thresholds], np.ndarray] | None = None) -> _Judged:
    """Of hours with enough votes, and with so many expected ones that this chance is low."""

    def judged(evidence: Evidence, thresholds: Thresholds) -> np.ndarray:
        found = []
        for level in evidence.own_levels:
            busiest = np.fmax.reduce(np.nan_to_num(level.middle), axis=1, initial=0.0, keepdims=True)
            is_known = busiest * 2 >= thresholds["least_votes"]
            is_told = chance is None or chance(np.maximum(busiest, 1.0), thresholds) <= TELLING
            found.append(is_known & is_told)
        return _in_any_grid(evidence, found)

    return judged


def _burst(evidence: Evidence, thresholds: Thresholds) -> np.ndarray:
    of_hour = thresholds["least_expected"] * INTERVALS
    busy = evidence.hours.loc[evidence.hours["votes_cast"] >= of_hour, ["constituency_id", "hour_number"]]
    counted = pd.MultiIndex.from_frame(evidence.inside.rows[["constituency_id", "hour_number"]])
    return _with_row(evidence, busy, pd.MultiIndex.from_frame(busy).isin(counted))


def _inside(name: str, least: str | None = None) -> _Judged:
    """Of hours from inside in which this is known, and as much as this threshold or more."""

    def judged(evidence: Evidence, thresholds: Thresholds) -> np.ndarray:
        rows = evidence.inside.rows.dropna(subset=[name])
        is_enough = rows[name].notna() if least is None else rows[name] >= thresholds[least]
        return _with_row(evidence, rows, is_enough)

    return judged


def _votes_without_bulletins(evidence: Evidence, thresholds: Thresholds) -> np.ndarray:
    found: np.ndarray = _inside("constituency_id")(evidence, thresholds) & (
        _voters(evidence) >= thresholds["least_votes"]
    )
    return found


def _precincts(evidence: Evidence, _: Thresholds) -> np.ndarray:
    return _with_row(evidence, evidence.precincts, evidence.precincts["is_register_whole"].astype(bool))


def _several_precincts(evidence: Evidence, _: Thresholds) -> np.ndarray:
    return _with_row(evidence, evidence.precincts, evidence.precincts.duplicated("constituency_id"))


_OUTCOMES = ("votes_cast", "votes_rejected", "votes_unknown", "revotes")
_JUDGED: Mapping[str, _Judged] = {
    "gap_outside_band": _gap,
    "turnout_above_register": lambda evidence, _: np.isfinite(_voters(evidence)),
    "spike": _spike,
    "drop": _drop,
    "silence": _silence,
    "rejected_share": _share(*_OUTCOMES),
    "unknown_outcomes": _share(*_OUTCOMES),
    "revotes": _share(*_OUTCOMES),
    "rollback_cluster": _share("transaction_count", "withdrawn"),
    "synchronised_spike": _at_once(),
    "synchronised_drop": _at_once(chance_of_fall),
    "burst": _burst,
    "regular_votes": _inside("vote_gaps", "least_gaps"),
    "equal_gaps": _inside("vote_gaps"),
    "votes_without_bulletins": _votes_without_bulletins,
    "registrar_block": _inside("registrar"),
    "precinct_above_register": _precincts,
    "precinct_out_of_line": lambda evidence, _: _precincts(evidence, _) & _several_precincts(evidence, _),
    "precinct_block": _several_precincts,
}
"""By rule. The others compare totals or single events, and judge every constituency."""


def judged_constituencies(
    evidence: Evidence, overrides: Mapping[str, Mapping[str, float]], off: Collection[str] = ()
) -> pd.DataFrame:
    """How many constituencies each rule can judge, from the figures so far.

    Args:
        evidence: the figures of one election.
        overrides: thresholds of this election that differ from the defaults, by rule and threshold name.
        off: rules that its figures say too little for.

    Returns:
        rule, constituencies_judged, constituencies_total.
    """
    total = len(evidence.constituencies)
    rows = []
    for rule in RULES.values():
        judged = _JUDGED.get(rule.name)
        thresholds = {name: threshold.default for name, threshold in rule.thresholds.items()}
        thresholds |= overrides.get(rule.name, {})
        number = total if judged is None else int(judged(evidence, thresholds).sum())
        rows.append((rule.name, 0 if rule.name in off else number, total))
    return pd.DataFrame(rows, columns=["rule", "constituencies_judged", "constituencies_total"])
