"""The queue of runs, for display."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from election_metrics.pipeline.run_tags import TRIGGER, WHY

UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_NAMES = {
    dg.DagsterRunStatus.SUCCESS: "done",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "cancelled",
}


@dataclass(frozen=True)
class QueuedRun:
    """A run that is queued or in progress."""

    run_id: str
    state: str
    priority: int
    why: str


def unfinished_runs(instance: dg.DagsterInstance) -> list[QueuedRun]:
    """Runs that have not ended: those in progress first, then by priority."""
    runs = [
        QueuedRun(
            run.run_id,
            "waits" if run.status == dg.DagsterRunStatus.QUEUED else run.status.value.lower(),
            int(run.tags.get("dagster/priority", "0")),
            run.tags.get(WHY) or run.tags.get(TRIGGER) or run.job_name,
        )
        for run in instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED)), limit=1000)
    ]
    return sorted(runs, key=lambda run: (run.state == "waits", -run.priority))


def counts_of_last_day(instance: dg.DagsterInstance, now: datetime | None = None) -> dict[str, int]:
    """Number of runs of the last 24 hours by outcome."""
    since = (now or datetime.now(UTC)) - timedelta(hours=24)
    counts: Counter[str] = Counter(dict.fromkeys(_NAMES.values(), 0))
    for status, name in _NAMES.items():
        counts[name] += instance.get_runs_count(dg.RunsFilter(statuses=[status], updated_after=since))
    return dict(counts)
