"""Findings as a frame; consecutive hours that a rule marks become one episode, and an episode becomes a finding."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.chances import scatter_of_sum, usual_counts

COLUMNS = (
    "constituency_id", "region", "window_start", "window_end", "severity", "observed", "expected",
    "expected_low", "expected_high", "explanation", "is_ongoing",
)  # fmt: skip
"""window_start and window_end are hours since 1970; window_end is the hour after the last one."""

_NUMBERS = ("observed", "expected", "expected_low", "expected_high")
Words = Callable[[Any], str]


def counted(number: float, one: str, many: str | None = None) -> str:
    """A number with its noun: `1 vote`, `2 votes`."""
    return f"{number:.0f} {one if round(number) == 1 else many or f'{one}s'}"


def no_findings() -> pd.DataFrame:
    """An empty frame of findings."""
    return pd.DataFrame(columns=list(COLUMNS), dtype=object)


def together(found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """These findings as one frame."""
    return pd.concat([frame for frame in found if len(frame)] or [no_findings()], ignore_index=True)


def findings(
    episodes: pd.DataFrame, severity: str | pd.Series, words: Words, scatter: float | None = None
) -> pd.DataFrame:
    """Turns episodes into findings.

    Args:
        episodes: subject (constituency_id, or region), window_start, window_end, is_ongoing, observed, expected.
        severity: one for all rows, or one for each.
        words: returns the explanation of a row.
        scatter: relative scatter of the count model, where `expected` is a number of votes: for the interval of it.
            Without, the interval is that of `episodes` (expected_low, expected_high), or none.
    """
    if episodes.empty:
        return no_findings()
    frame = episodes.assign(severity=severity)
    nothing = {"constituency_id": None, "region": None, "expected_low": np.nan, "expected_high": np.nan}
    frame = frame.assign(**{column: value for column, value in nothing.items() if column not in frame})
    frame["explanation"] = [words(row) for row in frame.itertuples()]
    if scatter is not None:
        mean = frame["expected"].to_numpy("float64").clip(1.0)
        frame["expected_low"], frame["expected_high"] = usual_counts(mean, scatter_of_sum(mean, scatter))
    return frame[list(COLUMNS)].astype(dict.fromkeys(_NUMBERS, "float64"))


def episodes(rows: pd.DataFrame, is_marked: pd.Series, *, lasting: bool, **summed: str) -> pd.DataFrame:
    """Groups the marked hours of each constituency into episodes.

    Args:
        rows: hours that the rule can judge, sorted by constituency_id and hour_number.
        is_marked: which of them it marks.
        lasting: whether the rule describes a state, which continues until a judged hour is not marked. Otherwise the
            hours are events, and only adjacent hours form one episode.
        summed: names of aggregations for other columns, by column.

    Returns:
        constituency_id, window_start, window_end, is_ongoing (no judged hour after it) and the aggregated columns.
    """
    marked = is_marked.fillna(False).to_numpy(dtype=bool)
    if not marked.any():  # nearly always, for nearly every rule
        return _no_episodes(rows, list(summed))
    constituency, hour = rows["constituency_id"].to_numpy(), rows["hour_number"].to_numpy()
    follows = np.zeros(len(rows), dtype=bool)
    follows[1:] = (constituency[1:] == constituency[:-1]) & marked[:-1]
    if not lasting:
        follows[1:] &= hour[1:] == hour[:-1] + 1
    number = np.cumsum(marked & ~follows)
    is_last = np.ones(len(rows), dtype=bool)
    is_last[:-1] = constituency[1:] != constituency[:-1]
    chosen = rows[marked].assign(is_last=is_last[marked])
    frame = chosen.groupby(number[marked], sort=False).agg(
        constituency_id=("constituency_id", "first"),
        window_start=("hour_number", "first"),
        window_end=("hour_number", "last"),
        is_ongoing=("is_last", "last"),
        **{column: (column, how) for column, how in summed.items()},
    )
    frame["window_end"] = frame["window_end"] + 1
    return frame.reset_index(drop=True)


def _no_episodes(rows: pd.DataFrame, summed: list[str]) -> pd.DataFrame:
    """The result of `episodes` if no hour is marked."""
    none = rows.iloc[:0]
    ours = {"constituency_id": "constituency_id", "window_start": "hour_number", "window_end": "hour_number"}
    columns = {name: none[column] for name, column in ours.items()}
    return pd.DataFrame({**columns, "is_ongoing": False, **{name: none[name] for name in summed}})
