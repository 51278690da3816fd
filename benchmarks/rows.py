"""A row of the table: a measured ratio and its comparison with the stored one."""

import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import distributions, version
from pathlib import Path

import psutil

from benchmarks.timed import measure

Timed = tuple[Callable[..., float], *tuple[object, ...]]
HEAD = "| what | against | ratio | spread | goal | seconds | peak |\n|---|---|---:|---|---|---:|---:|"
_WORSE = 1.5
_LEAST_SECONDS = 0.1


@dataclass(frozen=True)
class Row:
    """A measurement.

    Attributes:
        what: what was measured.
        against: the baseline; empty if there is none.
        ratio: seconds / seconds of the baseline, the median over rounds; None without a baseline.
        lowest: the best ratio.
        highest: the worst ratio.
        goal: maximum of the ratio, or of the seconds if `seconds` follows; empty if there is none.
        seconds: the median over rounds.
        peak_mb: the highest memory of its process.
        note: further information.
    """

    what: str
    against: str
    ratio: float | None
    lowest: float | None
    highest: float | None
    goal: str
    seconds: float
    peak_mb: float
    note: str = ""

    def __str__(self) -> str:
        """The row in Markdown."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        spread = "" if self.ratio is None else f"{self.lowest:.2f}–{self.highest:.2f}"
        what = f"{self.what} ({self.note})" if self.note else self.what
        return f"| {what} | {self.against} | {ratio} | {spread} | {self.goal} | {self.seconds:.2f} | {self.peak_mb:.0f} MB |"


def compared(
    what: str, ours: Timed, others: Mapping[str, Timed], rounds: int, goals: Mapping[str, str], note: str = ""
) -> Iterable[Row]:
    """Runs ours and all baselines in turn, so that a slow machine slows all of them; yields ratios of each round."""
    runs = [(measure(*ours), {name: measure(*other) for name, other in others.items()}) for _ in range(rounds)]
    seconds, peak = statistics.median(mine[0] for mine, _ in runs), max(mine[1] for mine, _ in runs)
    for name in others:
        ratios = [mine[0] / theirs[name][0] for mine, theirs in runs]
        yield Row(
            what, name, statistics.median(ratios), min(ratios), max(ratios), goals.get(name, ""), seconds, peak, note
        )


def alone(what: str, ours: Timed, rounds: int, goal: str, note: str = "") -> Row:
    """A row without a baseline; its seconds are compared with a goal."""
    runs = [measure(*ours) for _ in range(rounds)]
    return Row(what, "", None, None, None, goal, statistics.median(r[0] for r in runs), max(r[1] for r in runs), note)


def machine(rounds: int) -> dict[str, object]:
    """The machine, the versions and the commit."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    processors = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    name = next((line.partition(": ")[2] for line in processors.splitlines() if line.startswith("model name")), "")
    packages = ("dagster", "duckdb", "pandas", "polars", "chdb", "pyarrow", "psycopg")
    installed = {distribution.metadata["Name"] for distribution in distributions()}
    return {
        "machine": f"{platform.machine()} {name}".strip(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in packages if package in installed},
        "commit": commit.stdout.strip(),
        "rounds": rounds,
    }


def worse_than(stored: Iterable[Mapping[str, object]], rows: Iterable[Row]) -> list[str]:
    """Sentences on ratios whose best value is more than 1.5 times the stored one.

    Baselines that take less than a tenth of a second are skipped, because their ratios are noise.
    """
    before = {(row["what"], row["against"]): float(str(row["ratio"])) for row in stored if row["ratio"] is not None}
    return [
        f"{row.what}, against {row.against}: {row.lowest:.2f} at best, stored is {before[row.what, row.against]:.2f}"
        for row in rows
        if row.ratio is not None
        and row.lowest is not None
        and row.seconds / row.ratio >= _LEAST_SECONDS
        and row.lowest > before.get((row.what, row.against), float("inf")) * _WORSE
    ]


def as_records(rows: Iterable[Row]) -> list[dict[str, object]]:
    """The rows for JSON."""
    return [{name: round(v, 3) if isinstance(v, float) else v for name, v in asdict(row).items()} for row in rows]
