"""Dagster's run queue, changed so that a cancelled run stays cancelled.

Dagster undoes a cancellation in two cases. A run that is cancelled while it is being planned is still queued when its
planning is done. A run that is marked failed after its cancellation, because it started too slowly or its process died,
is retried, outside of its backfill.
"""

from datetime import UTC, datetime

import dagster as dg
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.storage.tags import BACKFILL_ID_TAG, MAX_RETRIES_TAG, RETRY_NUMBER_TAG, WILL_RETRY_TAG

from election_metrics.pipeline.run_tags import CANCELLED

_CANCELLED = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)
_NOT_RETRIED = {MAX_RETRIES_TAG: "0", WILL_RETRY_TAG: "false"}


class Coordinator(QueuedRunCoordinator):
    """Dagster's coordinator (`run_coordinator` in dagster.yaml), with the same configuration."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Queues a run, unless it was cancelled, or it retries a run or backfill that was cancelled."""
        run = self._instance.get_run_by_id(context.dagster_run.run_id) or context.dagster_run
        if run.status in _CANCELLED:
            self._end(run, "Cancelled before it was queued.")
        elif RETRY_NUMBER_TAG in run.tags and self._was_cancelled(run):
            self._end(run, "Not tried again: what it tries again was cancelled.")
        else:
            return super().submit_run(context)
        return self._instance.get_run_by_id(run.run_id) or run

    def cancel_run(self, run_id: str) -> bool:
        """Cancels a run for good: it is not retried, however it ends."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        # Tagged first, so that the tags exist whenever the run's end is recorded, also after a restart.
        self._instance.add_run_tags(
            run_id, {CANCELLED: datetime.now(UTC).isoformat(timespec="seconds"), **_NOT_RETRIED}
        )
        if run.status == dg.DagsterRunStatus.NOT_STARTED:
            self._instance.report_run_canceling(run, "Cancelled while it was planned.")
            self._end(run, "Cancelled while it was planned.")
            return True
        return super().cancel_run(run_id)

    def _was_cancelled(self, retry: dg.DagsterRun) -> bool:
        """Whether a run that this one retries, or a backfill of one of them, was cancelled."""
        parent_id, backfills = retry.parent_run_id, {retry.tags.get(BACKFILL_ID_TAG)}
        while parent_id is not None:
            parent = self._instance.get_run_by_id(parent_id)
            if parent is None:
                break
            if CANCELLED in parent.tags or parent.status in _CANCELLED:
                return True
            backfills.add(parent.tags.get(BACKFILL_ID_TAG))
            parent_id = parent.parent_run_id
        found = [self._instance.get_backfill(backfill) for backfill in backfills if backfill is not None]
        ended = (BulkActionStatus.CANCELING, BulkActionStatus.CANCELED)
        return any(backfill is not None and backfill.status in ended for backfill in found)

    def _end(self, run: dg.DagsterRun, why: str) -> None:
        if run.status != dg.DagsterRunStatus.CANCELED:
            self._instance.report_run_canceled(run, why)
