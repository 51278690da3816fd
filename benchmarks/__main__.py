"""`make bench`: every row a ratio of interleaved runs, each in a process of its own."""

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb

from benchmarks.timed import (
    backfill,
    bare_scan,
    derived,
    frame_of_hours,
    json_scan,
    landing,
    least_landing,
    measure,
    plain_aggregate,
    prepare,
    prepare_hours,
    whole_hours,
)


def interleaved(
    rounds: int, ours: tuple[Callable[..., float], ...], base: tuple[Callable[..., float], ...]
) -> dict[str, float]:
    """Both in turn, so that a machine that slows down slows both; the ratio round by round."""
    pairs = [(measure(*ours), measure(*base)) for _ in range(rounds)]
    ratios = [mine[0] / theirs[0] for mine, theirs in pairs]
    return {
        "seconds": statistics.median(mine[0] for mine, _ in pairs),
        "base_seconds": statistics.median(theirs[0] for _, theirs in pairs),
        "ratio": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
        "peak_mb": max(mine[1] for mine, _ in pairs),
    }


def _row(name: str, goal: str, shown: str, spread: str, more: str) -> str:
    return f"| {name} | {goal} | {shown} | {spread} | {more} |"


def _landing_rows(root: Path, short: bool, rounds: int) -> list[str]:
    from benchmarks.inputs import write_dump, write_tree

    home = root / "home"
    home.mkdir(parents=True)
    sizes = (60, 3, 300, 300, 100_000_000) if short else (300, 3, 310, 5_000, 1_000_000_000)
    inputs = {
        f"hour files of 1 MB ({sizes[0] * sizes[1]} of them)": write_tree(root / "hours", sizes[0], sizes[1], sizes[2]),
        f"{sizes[3]} files of 15 kB": write_tree(root / "small", sizes[3] // 10, 10, 5),
        f"one dump of {sizes[4] / 1e9:g} GB": write_dump(root / "dump", sizes[4]),
    }
    folders = [root / "hours", root / "small", root / "dump" / "dump"]
    rows = []
    for (name, files), folder in zip(inputs.items(), folders, strict=True):
        size = sum(file.stat().st_size for file in files)
        for label, base in (
            ("count(*) scan", bare_scan),
            ("json_valid scan", json_scan),
            ("least landing", least_landing),
        ):
            found = interleaved(rounds, (landing, folder, home), (base, files))
            goal = "≥ 0.4" if base is bare_scan else ""
            speed = 1 / found["ratio"]
            rows.append(
                _row(
                    f"landing, {name}: speed / {label}", goal, f"{speed:.2f}",
                    f"{1 / found['highest']:.2f}–{1 / found['lowest']:.2f}",
                    f"{size / found['seconds'] / 1e6:.0f} MB/s, peak {found['peak_mb']:.0f} MB",
                )
            )  # fmt: skip
    return rows


def _hours_rows(root: Path, short: bool, rounds: int) -> list[str]:
    from benchmarks.inputs import START

    transactions, hours = (500_000, 72) if short else (5_000_000, 72)
    home = root / "five"
    measure(prepare, home, transactions, 50, hours)
    end = START + timedelta(hours=hours)
    rows = []
    for label, ours in (("frame", frame_of_hours), ("written", whole_hours)):
        found = interleaved(rounds, (ours, home, START, end), (plain_aggregate, home))
        rows.append(
            _row(
                f"hourly_stats of {transactions:,} transactions, {label}: time / plain aggregate", "≤ 2",
                f"{found['ratio']:.2f}", f"{found['lowest']:.2f}–{found['highest']:.2f}",
                f"{found['seconds']:.2f} s, {50 * hours:,} rows, peak {found['peak_mb']:.0f} MB",
            )
        )  # fmt: skip
    return rows


def _backfill_rows(root: Path, short: bool) -> list[str]:
    from benchmarks.inputs import START

    constituencies, transactions = (50, 100_000) if short else (500, 3_000_000)
    home = root / "week"
    measure(prepare, home, transactions, constituencies, 168)
    seconds, peak = measure(backfill, home, START, START + timedelta(hours=168))
    name = f"backfill of 168 hours, {constituencies} constituencies: seconds of the one run"
    return [_row(name, "< 30", f"{seconds:.1f}", "", f"peak {peak:.0f} MB")]


def _derived_rows(root: Path, short: bool, rounds: int) -> list[str]:
    constituencies = 500 if short else 5_103
    big = root / "derived"
    measure(prepare_hours, big, 1, constituencies, 72)
    runs = [measure(derived, big, "bench-0") for _ in range(rounds)]
    rows = [
        _row(
            f"metrics, anomalies and summaries, {constituencies:,} constituencies × 72 hours: seconds", "≤ 20",
            f"{statistics.median(run[0] for run in runs):.1f}",
            f"{min(run[0] for run in runs):.1f}–{max(run[0] for run in runs):.1f}",
            f"{constituencies * 72:,} hourly rows, peak {max(run[1] for run in runs):.0f} MB",
        )
    ]  # fmt: skip
    elections = 10 if short else 50
    measure(prepare_hours, root / "one", 1, 50, 72)
    measure(prepare_hours, root / "many", elections, 50, 72)
    found = interleaved(max(rounds, 3), (derived, root / "many", "bench-0"), (derived, root / "one", "bench-0"))
    rows.append(
        _row(
            f"one changed election among {elections}: time / alone", "≤ 1.2", f"{found['ratio']:.2f}",
            f"{found['lowest']:.2f}–{found['highest']:.2f}", f"{found['seconds']:.2f} s, 50 constituencies each",
        )
    )  # fmt: skip
    return rows


def main() -> None:
    """Measures and prints one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="small inputs, one round")
    parser.add_argument("--rounds", type=int, help="rounds of each pair (default 5, short 1)")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    chosen = parser.parse_args()
    rounds = chosen.rounds or (1 if chosen.short else 5)
    os.environ.pop("DAGSTER_HOME", None)
    for name in [name for name in os.environ if name.startswith("ELECTION_METRICS_")]:
        del os.environ[name]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, DuckDB {duckdb.__version__}, "
          f"{rounds} interleaved round(s)\n")  # fmt: skip
    print(_row("what", "goal", "median", "spread", ""), "|---|---|---:|---|---|", sep="\n", flush=True)
    rows: list[str] = []
    root = Path(tempfile.mkdtemp(prefix="election-metrics-bench-"))
    try:
        for part in (
            lambda: _landing_rows(root, chosen.short, rounds),
            lambda: _hours_rows(root, chosen.short, rounds),
            lambda: _backfill_rows(root, chosen.short),
            lambda: _derived_rows(root, chosen.short, rounds),
        ):
            found = part()
            print("\n".join(found), flush=True)
            rows += found
    finally:
        shutil.rmtree(root, ignore_errors=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
