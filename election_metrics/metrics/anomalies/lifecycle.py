"""Findings over time: a finding keeps its id and state through every recomputation."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from hashlib import sha256
from itertools import chain

import pandas as pd

SYSTEM = "system"
BY_NOW = (
    "it is not unusual any more, or cannot be judged, by the current figures, deliveries, voting times and thresholds"
)
"""What is said of a finding that is not found any more where nothing more exact is known."""
_OVER = "over since "
_SEVERITIES = ("info", "warning", "critical")
_KEPT = ("anomaly_id", "state", "state_by", "state_at", "state_note", "detected_at")
COLUMNS = (
    "anomaly_id", "election_id", "constituency_id", "region", "rule", "severity", "window_start", "window_end",
    "observed", "expected", "expected_low", "expected_high", "explanation", "state", "state_by", "state_at",
    "state_note", "detected_at", "run_id", "computed_at",
)  # fmt: skip


def reconcile(
    stored: pd.DataFrame,
    found: pd.DataFrame,
    election_id: str,
    run_id: str,
    now: datetime,
    unjudged: Collection[str] = (),
    reason: Callable[[dict[str, object]], str] = lambda _: BY_NOW,
) -> pd.DataFrame:
    """Merges the findings of a computation with the stored ones.

    A finding is identical to a stored one if rule and subject (constituency, region or election) are the same and
    their windows overlap. A finding that a person resolved stays resolved unless it has become clearly worse. The
    system resolves findings that are no longer found, and states that are over, unless a person opened them again; it
    opens them again if they recur.

    Args:
        stored: the election's rows of `anomalies`.
        found: findings with rule and lasts; windows are instants.
        election_id: the election.
        run_id: the Dagster run.
        now: the moment of the computation.
        unjudged: rules that were not evaluated; their findings stay unchanged.
        reason: says of a stored finding that is not found any more what its figures are by now.

    Returns:
        All rows of `anomalies` of the election, to be stored.
    """
    rest: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for old in stored.astype(object).to_dict("records"):
        rest.setdefault(_subject(old), []).append(old)
    taken = set(stored["anomaly_id"])
    rows = []
    for new in found.sort_values(["rule", "window_start"]).astype(object).to_dict("records"):
        row = {**new, "election_id": election_id, "run_id": run_id, "computed_at": now}
        candidates = rest.get(_subject(row), [])
        same = next((old for old in candidates if _overlap(old, row)), None)
        if same is not None:
            rest[_subject(row)] = [old for old in candidates if old is not same]
            rows.append({**row, **_next_state(same, row, now)})
        else:
            row["anomaly_id"] = _identity(row, taken)
            taken.add(str(row["anomaly_id"]))
            rows.append({**row, **_first_state(row, now)})
    wide = [row for row in rows if pd.isna(row["constituency_id"])]
    by_run = f"no longer found by run {run_id[:8]}"
    rows += [
        old if old["rule"] in unjudged else _no_longer(old, wide, by_run, reason, now) for old in chain(*rest.values())
    ]
    frame = pd.DataFrame(rows, columns=[*COLUMNS]) if rows else stored[[*COLUMNS]]
    for column in ("window_start", "window_end", "state_at", "detected_at", "computed_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    for column in ("observed", "expected", "expected_low", "expected_high"):
        frame[column] = frame[column].astype("Float64")
    return frame


def _subject(row: dict[str, object]) -> tuple[object, ...]:
    constituency, region = (None if pd.isna(row[name]) else row[name] for name in ("constituency_id", "region"))
    return row["rule"], constituency, None if constituency else region


def _overlap(old: dict[str, object], new: dict[str, object]) -> bool:
    begins_before_end: bool = old["window_start"] < new["window_end"]  # type: ignore[operator]
    ends_after_begin: bool = new["window_start"] < old["window_end"]  # type: ignore[operator]
    return begins_before_end and ends_after_begin


def _identity(row: dict[str, object], taken: Iterable[str]) -> str:
    """`spike-3f9a2c1b`: the rule, and a hash of election, subject and start of the window."""
    text = "|".join(map(str, (row["election_id"], *_subject(row), row["window_start"])))
    name = f"{row['rule']}-{sha256(text.encode()).hexdigest()[:8]}"
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name}-{number}", number + 1
    return unique


def _is_over(row: dict[str, object]) -> bool:
    return bool(row["lasts"]) and not row["is_ongoing"]


def _was_over(old: dict[str, object]) -> bool:
    """Whether the system resolved a stored finding because what it says was over."""
    return old["state"] == "resolved" and old["state_by"] == SYSTEM and str(old["state_note"]).startswith(_OVER)


def _over(row: dict[str, object]) -> str:
    return f"{_OVER}{pd.Timestamp(str(row['window_end'])):%Y-%m-%d %H:%M} UTC"


def _first_state(row: dict[str, object], now: datetime) -> dict[str, object]:
    state: dict[str, object] = {"state_by": SYSTEM, "state_at": now, "detected_at": now}
    if _is_over(row):
        return {**state, "state": "resolved", "state_note": _over(row)}
    return {**state, "state": "open", "state_note": None}


def _next_state(old: dict[str, object], new: dict[str, object], now: datetime) -> dict[str, object]:
    kept = {name: old[name] for name in _KEPT}
    if _was_over(old) and _is_over(new):
        return {**kept, "state_note": _over(new)}
    is_reopened = old["state"] == "open" and old["state_by"] != SYSTEM
    if old["state"] != "resolved" and _is_over(new) and not is_reopened:
        return {**kept, "state": "resolved", "state_by": SYSTEM, "state_at": now, "state_note": _over(new)}
    if old["state"] == "resolved" and old["state_by"] == SYSTEM and not _is_over(new):
        return {**kept, "state": "open", "state_at": now, "state_note": "found again"}
    if old["state"] == "resolved" and not _is_over(new) and _is_worse(old, new):
        note = f"worse than when {old['state_by']} resolved it"
        return {**kept, "state": "open", "state_by": SYSTEM, "state_at": now, "state_note": note}
    return kept


def _is_worse(old: dict[str, object], new: dict[str, object]) -> bool:
    """Whether the severity is higher, or the distance from the expected value has grown by more than half."""
    if _SEVERITIES.index(str(new["severity"])) > _SEVERITIES.index(str(old["severity"])):
        return True
    before, after = _distance(old), _distance(new)
    return before is not None and after is not None and after > before * 1.5


def _distance(row: dict[str, object]) -> float | None:
    """How far the observed value is from the expected one; from 0 where nothing is expected."""
    observed, expected = (None if pd.isna(row[name]) else float(str(row[name])) for name in ("observed", "expected"))
    return None if observed is None else abs(observed - (expected or 0.0))


def _no_longer(
    old: dict[str, object],
    wide: Iterable[dict[str, object]],
    by_run: str,
    reason: Callable[[dict[str, object]], str],
    now: datetime,
) -> dict[str, object]:
    """Closes a finding, with what is known of the reason: a new finding says it of more, or its figures differ by now.

    One that was over is closed again, with the reason: what it said is not so any more.
    """
    if old["state"] == "resolved" and not _was_over(old):
        return old
    within = old["constituency_id"] if not pd.isna(old["constituency_id"]) else old["region"]
    taken = (row for row in wide if row["rule"] == old["rule"] and not pd.isna(within) and _overlap(old, row))
    successor = next((row for row in taken if pd.isna(row["region"]) or row["region"] == old["region"]), None)
    if successor is not None and successor["detected_at"] == now:
        where = "the whole election" if pd.isna(successor["region"]) else "the region"
        note = f"{by_run} by itself: one finding on {where} says it of all"
    else:
        note = f"{by_run}: {reason(old)}"
    return {**old, "state": "resolved", "state_by": SYSTEM, "state_at": now, "state_note": note}
