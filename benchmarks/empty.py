"""Dagster's overhead: a chain of four empty assets, and a sensor that requests them for every file."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

FOLDER = "BENCHMARK_FOLDER"
LAST = "fourth"


@dg.asset
def first() -> None:
    """Does nothing."""


@dg.asset(deps=[first])
def second() -> None:
    """Does nothing."""


@dg.asset(deps=[second])
def third() -> None:
    """Does nothing."""


@dg.asset(deps=[third])
def fourth() -> None:
    """Does nothing."""


job = dg.define_asset_job(
    "nothing_job", selection=dg.AssetSelection.assets(first, second, third, fourth), executor_def=dg.in_process_executor
)


@dg.sensor(job=job, minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
    """Requests one run for each file."""
    for path in sorted(Path(os.environ[FOLDER]).glob("[!.]*")):
        if path.name > (context.cursor or ""):
            yield dg.RunRequest(run_key=path.name)


defs = dg.Definitions(assets=[first, second, third, fourth], jobs=[job], sensors=[sensor])
