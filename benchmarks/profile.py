"""`python -m benchmarks.profile`: the time of a landing by step, beside a minimal baseline."""

import cProfile
import pstats
import tempfile
from pathlib import Path

from benchmarks.inputs import write_dump
from benchmarks.timed import bare_scan, json_scan, landing, least_landing, measure

STEPS = {
    "_export": "hash and size of the file",
    "_append": "DuckDB: splitting, JSON of params and diff, classification, staging",
    "_not_clean": "check that rows account for every byte",
    "drop_repeats_within_files": "ids that repeat within the file",
    "write_parts": "Parquet by hour",
    "find_repeats": "ids and voters that repeat landed ones",
}


def profiled(source: Path, home: Path) -> float:
    """Lands under the profiler; prints the seconds of each step."""
    profiler = cProfile.Profile()
    profiler.enable()
    seconds = landing(source, home)
    profiler.disable()
    found = {name: entry[3] for (_, _, name), entry in pstats.Stats(profiler).stats.items() if name in STEPS}  # type: ignore[attr-defined]
    for name, what in STEPS.items():
        print(f"| {what} | {found.get(name, 0):.2f} | {found.get(name, 0) / seconds:.0%} |")
    print(f"| all of landing | {seconds:.2f} | 100% |")
    return seconds


def main() -> None:
    """Prints a table for one dump of 1 GB."""
    with tempfile.TemporaryDirectory(prefix="election-metrics-bench-") as name:
        root = Path(name)
        (root / "home").mkdir()
        files = write_dump(root / "dump", 1_000_000_000)
        print("| step | seconds | share of landing |\n|---|---:|---:|", flush=True)
        seconds, _ = measure(profiled, files[0].parent, root / "home")
        for what, base in (
            ("count(*)", bare_scan),
            ("with json_valid", json_scan),
            ("the least landing", least_landing),
        ):
            print(f"| baseline: {what} | {measure(base, files)[0]:.2f} | {measure(base, files)[0] / seconds:.0%} |")


if __name__ == "__main__":
    main()
