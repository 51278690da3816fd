"""`replay`: turns a turnout series into portal exports."""

import shutil
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from election_metrics.errors import SourceError
from election_metrics.replay.blocks import FORMS, write_blocks
from election_metrics.replay.series import read_series
from election_metrics.replay.tree import all_or_nothing, write_expected, write_replay
from election_metrics.replay.votings import Replay


def run_replay(
    console: Console,
    series: Path,
    out: Path,
    *,
    scale: float,
    seed: int,
    region: str,
    zipped: bool,
    faults: bool,
    blocks: str | None = None,
) -> None:
    """Writes the exports, or blocks, and `expected.json`, and prints their size; after an error, `out` is unchanged."""
    if blocks is not None and blocks not in FORMS:
        raise SourceError(f"--blocks {blocks!r} is no form; it is one of {', '.join(FORMS)}")
    if blocks and zipped:
        raise SourceError("--zip is for exports; with --blocks, choose zip as the form")
    buckets = read_series(series, scale, region)
    first = next(buckets, None)  # the whole series is validated before the first bucket
    if first is None:
        raise SourceError(f"{series} has no rows")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, all_or_nothing(out) as unfinished:
        task = progress.add_task("Writing")
        done = Replay()
        tree = unfinished / "exports" if blocks else unfinished
        for done in write_replay(
            chain([first], buckets), tree, seed=seed, zipped=zipped, faults=faults, precincts=True
        ):
            progress.update(task, description=f"{done.files} files, {done.bytes / 1e6:.0f} MB, {done.lines} lines")
        if blocks:
            for calls in write_blocks(tree, unfinished, blocks):
                progress.update(task, description=f"{calls} calls in blocks")
            shutil.rmtree(tree)
        expected = write_expected(done, unfinished)
    console.print(
        f"{'The blocks of ' if blocks else ''}{done.files} files with {done.lines} lines below {out}; the expected "
        f"figures are in {expected.name}."
    )
