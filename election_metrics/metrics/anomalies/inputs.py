"""Rules on input: what should have arrived and did not, and what arrived and cannot be read."""

from typing import Any

import pandas as pd

from election_metrics.metrics.anomalies.evidence import Evidence, Thresholds
from election_metrics.metrics.anomalies.findings import counted, findings, together

_MOST = 50
"""Percent. From so many lines on, these say it all; with fewer, lost files are told too."""
_SEVERAL = 2
"""Lost files of a constituency that say more than a single broken line does in a file of one line."""
_SHOWN = 3
"""Parts of a path; shards that are told."""


def input_missing(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Hours that should have arrived and that no file covers."""
    spans = evidence.missing[evidence.missing["by_interval"].astype(bool)]
    spans = spans[spans["hours"] >= thresholds["least_hours"]]
    silent, total = spans["constituency_id"].nunique(), len(evidence.constituencies)
    absent = _absent(evidence)
    if silent >= max(thresholds["least_constituencies"], total * thresholds["least_share"] / 100):
        whole = pd.DataFrame(
            {
                "window_start": [spans["window_start"].min()], "window_end": [spans["window_end"].max()],
                "observed": [silent], "expected": [0], "is_ongoing": [True],
            }
        )  # fmt: skip
        return findings(
            whole, "critical",
            lambda row: f"{row.observed} of {_constituencies(total)} lack hours that should have arrived: "
            f"low turnout may only be missing input{_of_shards(evidence, spans['constituency_id'])}{absent}",
        )  # fmt: skip
    single = findings(
        spans.assign(observed=spans["hours"], expected=0, is_ongoing=True), "warning",
        lambda row: f"no file covers {counted(row.hours, 'hour')} that should have arrived ({row.reason})"
                    f"{_of_shards(evidence, pd.Series([row.constituency_id]))}",
    )  # fmt: skip
    troubles = _of_shards(evidence, evidence.shards["constituency_id"])
    if not absent and not troubles:
        return single
    first, last = _span(evidence)
    whole = pd.DataFrame(
        {"window_start": [first], "window_end": [last + 1], "observed": [0], "expected": [0], "is_ongoing": [True]}
    )
    text = f"{absent}{troubles}".removeprefix("; ")
    return together([
        findings(whole, "critical" if absent else "warning", lambda _: text[0].upper() + text[1:]), single
    ])  # fmt: skip


def _absent(evidence: Evidence) -> str:
    """Shards of the chain of which nothing is known, in words; empty if there are none."""
    if not evidence.absent_shards:
        return ""
    return (
        f"; no block of shard {', '.join(evidence.absent_shards)} has landed: the constituencies on "
        f"{'it' if len(evidence.absent_shards) == 1 else 'them'} are counted nowhere"
    )


def _of_shards(evidence: Evidence, constituencies: pd.Series) -> str:
    """What is missing of the shards of these constituencies, in words; empty if nothing is."""
    own = evidence.shards[evidence.shards["constituency_id"].isin(constituencies)]
    troubles = sorted({trouble for trouble in own["trouble"] if trouble})
    more = f"; and {len(troubles) - _SHOWN} more" if len(troubles) > _SHOWN else ""
    return "".join(f"; {trouble}" for trouble in troubles[:_SHOWN]) + more


def missing_of_chain(evidence: Evidence, constituency: str | None) -> str:
    """What is missing of the chain for a constituency, or the whole election (None), in words; empty if nothing is."""
    own = evidence.shards["constituency_id"] if constituency is None else pd.Series([constituency])
    return _of_shards(evidence, own) + _absent(evidence)


def unreadable_input(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Lines, or whole files, that arrived and cannot be read; of constituencies, and of the whole election."""
    lines = evidence.lines
    first, last = _span(evidence)
    found = lines.assign(
        window_start=lines["window_start"].fillna(first).astype("int64"),
        window_end=lines["window_end"].fillna(last + 1).astype("int64"),
        observed=lines["rejected"], expected=0, is_ongoing=True, share=lines["rejected"] / lines["lines"] * 100,
    )  # fmt: skip
    found["window_end"] = found[["window_start", "window_end"]].max(axis=1)
    for name in ("lost_files", "all_files"):
        found[name] = lines.get(name, pd.Series(0, index=lines.index)).astype("int64")
    is_many = (found["share"] >= thresholds["least_share"]) | (found["observed"] >= thresholds["least_lines"])
    some = found[(is_many | (found["lost_files"] > 0)).to_numpy(dtype=bool)]
    return together(
        [
            findings(some, _severity(some, thresholds), _said_of_constituency),
            _of_election(found, thresholds, len(evidence.constituencies)),
            _unread(evidence),
            _of_shared(evidence, thresholds),
        ]
    )


def _constituencies(number: float) -> str:
    return counted(number, "constituency", "constituencies")


def _severity(found: pd.DataFrame, thresholds: Thresholds) -> pd.Series:
    """Critical where most lines are lost, or most files (an error page has few lines); of the election, most places."""
    most = found[["share"]].assign(of_files=_lost_share(found)).max(axis=1)
    return (most >= thresholds["critical_share"]).map({True: "critical", False: "warning"})


def _lost_share(found: pd.DataFrame) -> pd.Series:
    """Percent of the files of each that lost most of their lines; 0 for a single one."""
    several = found["lost_files"].where(found["lost_files"] >= _SEVERAL, 0)
    share: pd.Series = several / found["all_files"].clip(lower=1) * 100
    return share


def _said_of_constituency(row: Any) -> str:
    lost = (
        f"; {row.lost_files:.0f} of {counted(row.all_files, 'file')} lost most lines"
        if row.lost_files and row.share < _MOST
        else ""
    )
    of_file = f"{row.path_rejected:.0f} of {row.path_lines:.0f} lines of {_end_of(row.path)}"
    return (
        f"{row.observed:.0f} of {counted(row.lines, 'line')} ({row.share:.1f} %) cannot be read, in "
        f"{counted(row.files, 'file')}, most of them in: {of_file}. What they hold is counted nowhere{lost}"
    )


def _of_election(found: pd.DataFrame, thresholds: Thresholds, total: int) -> pd.DataFrame:
    """One finding on the election, where it lost a share of its lines, or files of most of its constituencies."""
    if found.empty:
        return findings(found, "warning", _said_of_constituency)
    lines, rejected = int(found["election_lines"].max()), int(found["observed"].sum())
    places = int((_lost_share(found) >= _MOST).sum())
    are_most = places * 100 >= total * thresholds["critical_share"]
    if rejected * 100 < lines * thresholds["least_share"] and not are_most:
        return findings(found.iloc[:0], "warning", _said_of_constituency)
    whole = pd.DataFrame(
        {
            "window_start": [found["window_start"].min()], "window_end": [found["window_end"].max()], "expected": [0],
            "observed": [rejected], "lines": [lines], "share": [rejected / lines * 100], "is_ongoing": [True],
            "places": [len(found)], "lost_files": [places if are_most else 0], "all_files": [total],
        }
    )  # fmt: skip
    return findings(
        whole, _severity(whole, thresholds),
        lambda row: f"{row.observed:.0f} of {counted(row.lines, 'line')} of the election ({row.share:.1f} %) cannot be "
        f"read, in {_constituencies(row.places)}: its figures are too low"
        + (f"; {row.lost_files:.0f} of {_constituencies(row.all_files)} lost most of their files" if row.lost_files and
        row.share < _MOST else ""),
    )  # fmt: skip


def _unread(evidence: Evidence) -> pd.DataFrame:
    """Files that cannot be read at all, whose names say a constituency; critical where nothing of it can be read."""
    if evidence.unread.empty:
        return findings(evidence.unread, "warning", str)
    first, last = _span(evidence)
    places = evidence.unread.groupby("constituency_id").agg(
        observed=("path", "size"), path=("path", "first"), reason=("reason", "first")
    )
    found = places.reset_index().assign(window_start=first, window_end=last + 1, expected=0, is_ongoing=True)
    is_all = ~found["constituency_id"].isin(evidence.hours["constituency_id"])
    return findings(
        found,
        is_all.map({True: "critical", False: "warning"}),
        lambda row: f"{counted(row.observed, 'file')} cannot be read, such as {_end_of(row.path)}: {row.reason}",
    )


def _of_shared(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Rows of a table, or parts of a dump or an archive, of which nobody knows whose they are."""
    first, last = _span(evidence)
    found = evidence.shared_input.assign(
        window_start=lambda frame: frame["window_start"].fillna(first).astype("int64"),
        window_end=lambda frame: frame["window_end"].fillna(last + 1).astype("int64"),
        share=lambda frame: (frame["rejected"] / frame["lines"] * 100).fillna(0.0), is_ongoing=True, expected=0,
        observed=lambda frame: frame["rejected"].fillna(frame["parts"]).astype("int64"),
    )  # fmt: skip
    is_told = found["parts"].notna() | (found["share"] >= thresholds["least_share"])
    some = found[is_told | (found["observed"] >= thresholds["least_lines"])]
    severity = (some["share"] >= thresholds["critical_share"]).map({True: "critical", False: "warning"})
    return findings(some, severity, _said_of_shared)


def _said_of_shared(row: Any) -> str:
    if pd.notna(row.parts):
        return (
            f"{counted(row.parts, 'part')} of {_end_of(row.path)} cannot be read or contradicts other input, such as "
            f"{row.reason}. Which constituencies it is of is not known"
        )
    return (
        f"{row.rejected:.0f} of {counted(row.lines, 'row')} ({row.share:.1f} %) of {row.path} cannot be read and are "
        "counted nowhere. Which constituencies they are of is not known"
    )


def _end_of(path: str) -> str:
    """The last folders and the name: what is told here is public, and the whole path is in `status`."""
    return "/".join(path.split("/")[-_SHOWN:])


def _span(evidence: Evidence) -> tuple[int, int]:
    hours = evidence.hours["hour_number"]
    return (int(hours.min()), int(hours.max())) if len(hours) else (0, 0)
