"""`replay`: a series becomes a tree, with a bar."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from election_metrics.errors import SourceError
from election_metrics.replay import read_series, write_expected, write_replay


def run_replay(
    console: Console, series: Path, out: Path, *, scale: float, seed: int, region: str, zipped: bool, faults: bool
) -> None:
    """Writes the tree and `expected.json`, and says how large they are."""
    buckets = read_series(series, scale, region)  # all of it is looked at before anything is written
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"--out {out} cannot be created: {error.strerror}") from None
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Writing")
        done = None
        for done in write_replay(buckets, out, seed=seed, zipped=zipped, faults=faults):
            progress.update(task, description=f"{done.files} files, {done.bytes / 1e6:.0f} MB, {done.lines} lines")
    if done is None:
        raise SourceError(f"{series} has no rows")
    expected = write_expected(done, out)
    console.print(f"{done.files} files with {done.lines} lines below {out}; what must come out is in {expected.name}.")
