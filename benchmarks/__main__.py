"""`make bench`: prints ratios of interleaved runs, each in a fresh process, as Markdown; `--json` writes JSON too."""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path

from benchmarks import others, timed
from benchmarks.inputs import START, grow_tree, write_dump, write_dump_of_blocks, write_tree
from benchmarks.rows import HEAD, Row, Timed, alone, as_records, compared, machine, worse_than

STORED = Path(__file__).parent / "short.json"


@dataclass(frozen=True)
class Bench:
    """Folder and size of the measurements."""

    root: Path
    rounds: int
    short: bool

    def of(self, short: int, full: int) -> int:
        """The size for a short or a full run."""
        return short if self.short else full


def _megabytes(files: list[Path]) -> str:
    return f"{sum(file.stat().st_size for file in files) / 1e6:,.0f} MB"


def landing_rows(bench: Bench) -> Iterable[Row]:
    """Landing of three kinds of input, compared with the physical limit and with common tools."""
    home = bench.root / "home"
    home.mkdir()
    hours, small, dump = bench.root / "hours", bench.root / "small", bench.root / "dump"
    shapes = {
        "landing, hour files of 1 MB": (hours, write_tree(hours, bench.of(60, 300), 3, 310)),
        "landing, files of 15 kB": (small, write_tree(small, bench.of(30, 500), 10, 5)),
        "landing, one dump": (dump / "dump", write_dump(dump, bench.of(100_000_000, 1_000_000_000))),
    }
    bases = {
        "DuckDB's count(*) scan": timed.bare_scan,
        "the same with json_valid": timed.json_scan,
        "the least landing": timed.least_landing,
    }
    for what, (folder, files) in shapes.items():
        limits = {name: (base, files) for name, base in bases.items()}
        goals = {"DuckDB's count(*) scan": "2"}
        yield from compared(what, (timed.landing, folder, home), limits, bench.rounds, goals, _megabytes(files))
    yield from dump_rows(bench, hours, shapes["landing, hour files of 1 MB"][1], home)
    part = bench.root / "part"
    files = write_tree(part, bench.of(10, 30), 3, 310)
    tools: dict[str, Timed] = {"pandas": (others.pandas_landing, files), "plain Python": (others.plain_landing, files)}
    if not bench.short:
        tools["Polars"] = (others.polars_landing, files)
    yield from compared(
        "landing",
        (timed.landing, part, home),
        tools,
        bench.rounds,
        {},
        f"{len(files)} files, {_megabytes(files)}",
    )
    archives = bench.root / "zip"
    files = write_tree(archives, bench.of(10, 100), 3, 310, zipped=True)
    unpacking = {"unpacking alone": (others.zip_scan, files)}
    yield from compared(
        "landing, archives", (timed.landing, archives, home), unpacking, bench.rounds, {}, f"{len(files)} of 1 MB"
    )


def dump_rows(bench: Bench, exports: Path, files: list[Path], home: Path) -> Iterable[Row]:
    """Landing of a dump of the chain's blocks, compared with the exports of the same transactions."""
    chain = bench.root / "chain"
    written = write_dump_of_blocks(exports, chain)
    same = {"the exports of the same transactions": (timed.landing, exports, home)}
    note = f"{_megabytes([written])} of blocks, {_megabytes(files)} of exports"
    goal = f"{1.25 * written.stat().st_size / sum(file.stat().st_size for file in files):.2f}"
    goals = {"the exports of the same transactions": goal}
    yield from compared("landing, a dump of blocks", (timed.landing, chain, home), same, bench.rounds, goals, note)
    if not bench.short:
        large = bench.root / "large"
        write_tree(bench.root / "of-large", 100, 12, 1_100)
        written = write_dump_of_blocks(bench.root / "of-large", large)
        yield alone("landing, a dump of 4 GB", (timed.landing, large, home), 1, "", _megabytes([written]))


def hours_rows(bench: Bench) -> Iterable[Row]:
    """Hourly aggregation, compared with a handwritten query and with common tools."""
    transactions, hours = bench.of(500_000, 24_000_000), 72
    home = bench.root / "many"
    timed.measure(timed.prepare, home, transactions, 50, hours)
    end = START + timedelta(hours=hours)
    note = f"{transactions:,} transactions"
    tools: dict[str, Timed] = {
        "a query by hand in DuckDB": (timed.plain_aggregate, home), "pandas": (others.pandas_hours, home),
    }  # fmt: skip
    if not bench.short:  # these are installed by the extra `bench`
        tools |= {"Polars": (others.polars_hours, home), "chdb": (others.chdb_hours, home)}
    goals = {"a query by hand in DuckDB": "1.5"}
    yield from compared(
        "hourly_stats as a frame", (timed.frame_of_hours, home, START, end), tools, bench.rounds, goals, note
    )
    by_hand = {"a query by hand in DuckDB": (timed.plain_aggregate, home)}
    written = (timed.whole_hours, home, START, end)
    yield from compared("hourly_stats, replaced in PostgreSQL", written, by_hand, bench.rounds, goals, note)
    seconds, _ = timed.measure(others.load_postgres, home)
    loaded = {"GROUP BY in PostgreSQL": (others.postgres_hours, home)}
    note += f", loaded into PostgreSQL in {seconds:.0f} s before"
    yield from compared(
        "hourly_stats as a frame", (timed.frame_of_hours, home, START, end), loaded, bench.rounds, {}, note
    )
    shutil.rmtree(home, ignore_errors=True)


def range_rows(bench: Bench) -> Iterable[Row]:
    """A backfill of a week, and one late file in a peak hour."""
    home = bench.root / "week"
    constituencies, transactions = bench.of(50, 500), bench.of(100_000, 3_000_000)
    timed.measure(timed.prepare, home, transactions, constituencies, 168)
    backfill = (timed.backfill, home, START, START + timedelta(hours=168))
    yield alone("backfill of 168 hours, one run", backfill, 1, "30 seconds", f"{constituencies} constituencies")
    peak, source = bench.root / "peak", bench.root / "late"
    source.mkdir()
    transactions = bench.of(100_000, 3_400_000)
    timed.measure(timed.prepare_late, peak, transactions, bench.of(50, 5_103))
    yield alone("one late file, a peak hour re-opened", (timed.late_file, peak, source), bench.rounds, "5 seconds",
                f"{transactions:,} transactions")  # fmt: skip


def derived_rows(bench: Bench) -> Iterable[Row]:
    """Tables derived from hours, for a whole country and for one election among many."""
    big = bench.root / "derived"
    constituencies = bench.of(500, 5_103)
    of_all = f"{constituencies:,} constituencies × 72 hours"
    timed.measure(timed.prepare_hours, big, 1, constituencies, 72)
    yield alone("metrics, anomalies and summaries", (timed.derived, big, "bench-0"), bench.rounds, "20 seconds", of_all)
    for what, places, goal in (
        ("one late vote", 1, "2 seconds"),
        ("a new hour of every constituency", None, "5 seconds"),
    ):
        yield alone(what, (timed.corrected_hours, big, places), 1, goal, of_all)
    elections = bench.of(10, 50)
    timed.measure(timed.prepare_hours, bench.root / "one", 1, 50, 72)
    timed.measure(timed.prepare_hours, bench.root / "among", elections, 50, 72)
    single = {"the same election alone": (timed.derived, bench.root / "one", "bench-0")}
    ours = (timed.derived, bench.root / "among", "bench-0")
    yield from compared(
        "one changed election among many", ours, single, max(bench.rounds, 3), {"the same election alone": "1.2"}
    )


def whole_rows(bench: Bench) -> Iterable[Row]:
    """From files to summaries: scaling with the size of the input, and comparison with a naive project."""
    home = bench.root / "whole"
    home.mkdir()
    times = [1, 2] if bench.short else [1, 2, 4, 8]
    size = bench.of(30_000_000, 1_000_000_000)
    trees = grow_tree(bench.root / "grown", size, times)
    once = (timed.whole_way, trees[0], home)
    for count, tree in zip(times[1:], trees[1:], strict=True):
        single = {f"{size / 1e9:g} GB": once}
        what = f"files to summaries, {count} × as many bytes"
        yield from compared(
            what,
            (timed.whole_way, tree, home),
            single,
            bench.of(max(2, bench.rounds), 1),  # small inputs take seconds, of which a busy machine doubles some
            {f"{size / 1e9:g} GB": str(count)},
        )
    naive = "a naive Dagster project"
    inside = {naive: (others.naive_whole, trees[-2], home, 24)}
    yield from compared(
        "files to summaries, in one process", (timed.whole_way, trees[-2], home), inside, 1, {naive: "0.05"},
        f"{times[-2] * size / 1e9:g} GB, 24 hours"
    )  # fmt: skip
    if not bench.short:
        tree = grow_tree(bench.root / "days", size, [1], 72)[0]
        used = {naive: (others.naive_commands, tree, home, 72)}
        yield from compared(
            "files to summaries, as commands", (timed.whole_way_command, tree, home), used, 1, {naive: "0.05"},
            f"{size / 1e9:g} GB, 72 hours"
        )  # fmt: skip


PARTS: dict[str, Callable[[Bench], Iterable[Row]]] = {
    "landing": landing_rows, "hours": hours_rows, "range": range_rows, "derived": derived_rows, "whole": whole_rows,
}  # fmt: skip


def measured(part: str, rounds: int, *, short: bool) -> list[Row]:
    """Measures a part and prints its rows."""
    root = Path(tempfile.mkdtemp(prefix="election-metrics-bench-"))
    rows = []
    try:
        for row in PARTS[part](Bench(root, rounds, short)):
            print(row, flush=True)
            rows.append(row)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return rows


def still_worse(rows: Mapping[str, list[Row]], rounds: int) -> list[str]:
    """Sentences on ratios that are worse than the stored ones, also when their part is measured again.

    Other work on the machine slows what uses several processes more than what uses one. It seldom lasts.
    """
    stored = json.loads(STORED.read_text("utf-8"))["rows"]
    worse = []
    for part, first in rows.items():
        if worse_than(stored, first):
            print(f"\n{part}: worse than stored; measured again\n\n{HEAD}", flush=True)
            worse += worse_than(stored, measured(part, 2 * rounds, short=True))
    return worse


def main() -> int:
    """Measures and prints one table; returns 1 if a ratio is twice more than 1.5 times the stored one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="small inputs; compare with the stored ratios")
    parser.add_argument("--rounds", type=int, help="rounds of each comparison (default 3; with --short 2)")
    parser.add_argument("--only", choices=PARTS, action="append", help="run only this part; may be repeated")
    parser.add_argument("--json", type=Path, help="also write machine, versions, commit and rows to this file")
    parser.add_argument("--store", action="store_true", help="with --short: store the ratios for later comparisons")
    chosen = parser.parse_args()
    rounds = chosen.rounds or (2 if chosen.short else 3)
    for name in [name for name in os.environ if name.startswith("ELECTION_METRICS_")]:
        del os.environ[name]
    os.environ.pop("DAGSTER_HOME", None)
    about = machine(rounds)
    print("\n".join(f"{name}: {value}" for name, value in about.items()), f"\n{HEAD}", sep="\n", flush=True)
    rows = {part: measured(part, rounds, short=chosen.short) for part in chosen.only or PARTS}
    records = as_records(chain.from_iterable(rows.values()))
    report = json.dumps({**about, "rows": records}, ensure_ascii=False, indent=1) + "\n"
    for path in [chosen.json] * bool(chosen.json) + [STORED] * (chosen.short and chosen.store):
        path.write_text(report, "utf-8")
    if not chosen.short:
        return 0
    worse = still_worse(rows, rounds)
    print("\n".join(["", *(f"WORSE BY HALF: {one}" for one in worse)]))
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
