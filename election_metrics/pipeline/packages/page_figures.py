"""Whether the page of a package shows the figures of its tables."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from election_metrics.pipeline.packages.recomputing import differences, read_table

_PAGE = "page"
_MOST_FINDINGS = 50
_AT_ONCE = 200
_WORDS = ("name", "region", "severity", "state", "rule", "explanation", "time_zone")


def page_differences(folder: Path) -> Iterator[str]:
    """Figures of the page that differ from those of the tables, with the file that has them."""
    name = f"{_PAGE}/answers.js"
    answers = _answers(folder / name, "globalThis.published")
    whole = answers["dashboard"]
    metrics = read_table(folder, "constituency_metrics")
    totals = metrics[metrics["period"] == "election"].drop(
        columns=["registered_voters", "participation_rate", "issue_rate"]
    )
    yield from _compare(name, ["election_id"], read_table(folder, "election_summaries"), [whole["election"]])
    yield from _compare(name, ["region"], read_table(folder, "region_summaries"), whole["election"]["regions"])
    yield from _compare(name, ["hour"], read_table(folder, "election_hours"), whole["hours"])
    findings = read_table(folder, "anomalies")
    unresolved = findings[findings["state"] != "resolved"]
    shown = {one["anomaly_id"] for one in whole["findings"]}
    yield from _compare(name, ["anomaly_id"], unresolved[unresolved["anomaly_id"].isin(shown)], whole["findings"])
    if len(shown) < min(len(unresolved), _MOST_FINDINGS):
        yield f"{name} has {len(shown)} findings; {len(unresolved)} are not resolved"
    places = read_table(folder, "constituencies")
    yield from _compare(name, ["constituency_id"], places, answers["list"])
    voted = [row for row in answers["list"] if row["votes_cast"] is not None]
    yield from _compare(name, ["constituency_id"], totals, voted)
    yield from _places(folder, [row["constituency_id"] for row in answers["list"]], metrics)


def _places(folder: Path, ids: Sequence[str], metrics: pd.DataFrame) -> Iterator[str]:
    """The hours and days of each constituency."""
    hours, days = read_table(folder, "hourly_stats"), metrics[metrics["period"] == "day"]
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        shown: dict[str, list[dict[str, Any]]] = {"hours": [], "days": []}
        for number, place in enumerate(some, start):
            one = _answers(folder / _PAGE / "places" / f"{number}.js", f"published.places[{number}]")
            there = {row["constituency_id"] for row in (one["place"], *one["hours"], *one["days"])}
            if there != {place}:
                yield f"{_PAGE}/places/{number}.js is of {', '.join(sorted(there))}, not of {place}"
            for kind, rows in shown.items():
                rows += one[kind]
        name = f"{_PAGE}/places/{start}.js to {start + len(some) - 1}.js"
        for table, kind, key in ((hours, "hours", "hour"), (days, "days", "period_start")):
            own = table[table["constituency_id"].isin(some)]
            yield from _compare(name, ["constituency_id", key], own, shown[kind])


def _answers(path: Path, name: str) -> dict[str, Any]:
    """What a script of the page assigns to a name; it may do nothing else."""
    shown = path.name if path.parent.name == _PAGE else f"{path.parent.name}/{path.name}"
    if not path.is_file():
        raise FileNotFoundError(f"{_PAGE}/{shown} is missing")
    text, begin, end = path.read_bytes(), f"{name} = ".encode(), b";\n"
    if not (text.startswith(begin) and text.endswith(end)):
        raise ValueError(f"{_PAGE}/{shown} is not one assignment to {name}")
    found: dict[str, Any] = orjson.loads(text[len(begin) : -len(end)])
    return found


def _compare(name: str, key: list[str], table: pd.DataFrame, shown: list[dict[str, Any]]) -> Iterator[str]:
    """The numbers and words that a table and the page both have."""
    words = [column for column in _WORDS if column in table.columns and column not in key]
    numbers = [column for column in table.columns if pd.api.types.is_numeric_dtype(table[column]) and column not in key]
    said = pd.DataFrame(shown, columns=list(dict.fromkeys([*key, *(shown[0] if shown else [])])))
    for column in key:
        if isinstance(table[column].dtype, pd.DatetimeTZDtype):
            said[column] = pd.to_datetime(said[column], utc=True).astype(table[column].dtype)
    both = [column for column in numbers if column in said.columns]
    said[both] = said[both].astype("Float64")
    both += [column for column in words if column in said.columns]
    yield from differences(name, key, said[[*key, *both]], table[[*key, *both]], "in the table")
