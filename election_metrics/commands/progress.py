"""Progress bars for runs in a terminal."""

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from election_metrics.assets import resources
from election_metrics.pipeline.progress import Report


class Bars(resources.Progress):
    """Draws one bar for each label that reports progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def of(self, label: str, unit: str) -> Report:
        """A function of (done, total) that moves the bar of this label."""

        def report(done: int, total: int) -> None:
            factor, shown = (1 / 2**20, "MiB") if unit == "bytes" else (1.0, unit)
            if label not in self._tasks:
                self._tasks[label] = self._progress.add_task(label, unit=shown)
            self._progress.update(self._tasks[label], completed=round(done * factor), total=round(total * factor))

        return report


@contextlib.contextmanager
def bars(console: Console) -> Iterator[Bars]:
    """Shows bars on the console while the block runs."""
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.completed} of {task.total} {task.fields[unit]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Bars(progress)
