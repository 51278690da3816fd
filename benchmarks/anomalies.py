"""`make anomalies`: accuracy of the rules in simulated elections, with and without injected faults."""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.real_curves import choices, report
from election_metrics.metrics.anomalies.evidence import Evidence
from election_metrics.metrics.anomalies.rules import RULES, find_anomalies
from election_metrics_tests.minutes import FAULTS_INSIDE, LEAST_VOTES, with_minutes
from election_metrics_tests.simulated import AT_ONCE, FAULTS, SMALLEST, Election, simulate

EXACT = "exact: it is counted, not judged | –"
_EXACT = {
    "unreadable_input", "conflicting_ids", "register_below_zero", "time_zone_assumed", "places_disagree",
    "differs_from_portal", "tally_differs", "votes_found_invalid",
}  # fmt: skip


def recall(rule: str, elections: list[Election], times: int) -> tuple[int, int]:
    """How many faults of a rule were found, and how many were injected."""
    found, made = 0, 0
    random = np.random.default_rng(1)
    for election in elections:
        large = np.flatnonzero(election.size >= SMALLEST)
        for place in random.choice(large, min(times, large.size), replace=False).tolist():
            faulty = election.copy()
            first, last = FAULTS[rule][1](faulty, place, random)
            findings = find_anomalies(faulty.evidence(), {})
            begin = faulty.opening(place) + first
            hits = findings[
                (findings["rule"] == rule)
                & (findings["constituency_id"].fillna(faulty.name(place)) == faulty.name(place))
                & (findings["region"] == f"region {faulty.region[place]}")
                & (findings["window_start"] <= begin + last - first)
                & (findings["window_end"] > begin)
            ]
            found, made = found + bool(len(hits)), made + 1
    return found, made


def recall_at_once(rule: str, elections: list[Election]) -> tuple[int, int]:
    """How many faults of many constituencies at once were found, and how many were injected."""
    found = 0
    for number, election in enumerate(elections):
        faulty = election.copy()
        hour, _ = AT_ONCE[rule][1](faulty, np.random.default_rng(number))
        findings = find_anomalies(faulty.evidence(), {})
        found += bool(((findings["rule"] == rule) & (findings["window_start"] == hour)).any())
    return found, len(elections)


def recall_inside(rule: str, elections: list[Evidence], times: int) -> tuple[int, int]:
    """How many faults inside an hour were found in it, and how many were injected."""
    found, made = 0, 0
    random = np.random.default_rng(1)
    for evidence in elections:
        rows = evidence.inside.rows
        since = rows["hour_number"] - rows["constituency_id"].map(evidence.opening).astype("int64")
        busy = np.flatnonzero((evidence.inside.votes.sum(axis=1) >= LEAST_VOTES) & since.between(1, 57).to_numpy())
        for row in random.choice(busy, min(times, busy.size), replace=False).tolist():
            findings = find_anomalies(FAULTS_INSIDE[rule][1](evidence, row), {}, set(RULES) - {rule})
            begin = rows.loc[row, "hour_number"]
            found += bool(((findings["window_start"] < begin + 1) & (findings["window_end"] > begin)).any())
            made += 1
    return found, made


def table(constituencies: int, seeds: int, times: int) -> list[str]:
    """The accuracy table of docs/metrics.md."""
    elections = [simulate(constituencies, seed) for seed in range(seeds)]
    from_inside = [
        with_minutes(election.evidence(), np.random.default_rng(number)) for number, election in enumerate(elections)
    ]
    quiet = pd.concat([find_anomalies(evidence, {}) for evidence in from_inside], ignore_index=True)
    hours = sum(election.delivered.size for election in elections)
    rows = [
        "| rule | injected fault | found | false alarms per 1,000 constituency-hours |", "|---|---|---:|---:|"
    ]  # fmt: skip
    for rule in RULES:
        if rule in AT_ONCE:
            words, (found, made) = AT_ONCE[rule][0], recall_at_once(rule, elections)
        elif rule in FAULTS_INSIDE:
            words, (found, made) = FAULTS_INSIDE[rule][0], recall_inside(rule, from_inside, times)
        else:
            words, (found, made) = FAULTS[rule][0], recall(rule, elections, times)
        false = int((quiet["rule"] == rule).sum()) if len(quiet) else 0
        said = f"{found} of {made} | {false / hours * 1000:.3f}"
        rows.append(f"| `{rule}` | {words} | {EXACT if rule in _EXACT and found == made and not false else said} |")
        print(f"{rule}: {found} of {made}", file=sys.stderr, flush=True)
    critical = int((quiet["severity"] == "critical").sum()) if len(quiet) else 0
    rows += [
        "",
        f"Without a fault: {len(quiet)} findings, {critical} of them critical, in {hours:,} constituency-hours.",
    ]
    return rows


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.anomalies", description=__doc__)
    parser.add_argument("--constituencies", type=int, default=500, help="constituencies of each election")
    parser.add_argument("--seeds", type=int, default=5, help="number of elections")
    parser.add_argument("--times", type=int, default=20, help="faults of each rule injected into each election")
    parser.add_argument("--real", action="store_true", help="judge real curves instead, clean and with planted events")
    parser.add_argument(
        "--curves",
        type=Path,
        help="with --real: folder of further curves: CSV with constituency, election, "
        "registered_voters, bucket_start, bulletins_issued, votes_cast, and maybe region and time_zone",
    )
    parser.add_argument(
        "--most-places", type=int, default=2_000, help="with --real: plant events in votes up to this size"
    )
    parser.add_argument("--choose", action="store_true", help="false alarms on real curves at other thresholds")
    chosen = parser.parse_args()
    if chosen.choose:
        print("\n".join(choices(chosen.curves)))
        return
    if chosen.real:
        print("\n".join(report(chosen.curves, chosen.most_places)))
        return
    print("\n".join(table(chosen.constituencies, chosen.seeds, chosen.times)))


if __name__ == "__main__":
    main()
