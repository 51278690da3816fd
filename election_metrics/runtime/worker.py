"""The process of a run: what it has imported before there is a run, and how it executes one.

The first process of a machine imports this module once, and with it all that a run needs; each run is a fork of it.
"""

import importlib
import multiprocessing
import os
from multiprocessing.context import ForkServerContext, SpawnContext

_NEEDED = (
    "duckdb", "pandas", "pyarrow.csv", "scipy.special", "psycopg", "psycopg2", "sqlalchemy",
    "dagster_postgres", "dagster._cli.api", "election_metrics.definitions", "election_metrics.pipeline.landing",
    "election_metrics.pipeline.hours", "election_metrics.pipeline.elections", "election_metrics.pipeline.anomalies",
    "election_metrics.pipeline.registry", "election_metrics.warehouse.checked",
)  # fmt: skip
GIVES_WAY = 10
_WARM = "ELECTION_METRICS_WARMING"


def context(*, warm: bool) -> ForkServerContext | SpawnContext:
    """How run processes are made: forked from one that has imported everything, or each afresh."""
    if not warm:
        return multiprocessing.get_context("spawn")
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload([__name__])
    os.environ[_WARM] = "1"  # the process that forks imports this module with it, and everything else does not
    try:
        from multiprocessing.forkserver import ensure_running

        ensure_running()
    finally:
        del os.environ[_WARM]
    return forking


def execute(arguments: str) -> None:
    """Executes the run, as `dagster api execute_run` does, and ends the process.

    A run gives way to what answers people: the API, the UI, the database. With a free core it loses nothing by that.
    """
    os.nice(GIVES_WAY)
    from dagster._cli.api import execute_run_command

    execute_run_command.main([arguments], standalone_mode=False)


def _warm_up() -> None:
    """Imports what runs need and resolves the job once; opens no connection, starts no thread."""
    for name in _NEEDED:
        importlib.import_module(name)
    from election_metrics.definitions import defs
    from election_metrics.pipeline.run_tags import JOB

    defs.get_repository_def().get_job(JOB)


if os.environ.pop(_WARM, None):
    _warm_up()
