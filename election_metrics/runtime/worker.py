"""The process of a run: what is imported before the run starts, and how the run is executed.

A fork server imports this module once, and with it everything that a run needs; each run is a fork of it.
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
    """How run processes are created: forked from one that has everything imported, or spawned."""
    if not warm:
        return multiprocessing.get_context("spawn")
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload([__name__])
    os.environ[_WARM] = "1"  # only the fork server imports this module with this variable set
    try:
        from multiprocessing.forkserver import ensure_running

        ensure_running()
    finally:
        del os.environ[_WARM]
    return forking


def execute(arguments: str) -> None:
    """Executes the run, as `dagster api execute_run` does, and ends the process.

    A run has a lower priority than the API, the UI and the database. With a free core it loses nothing.
    """
    os.nice(GIVES_WAY)
    from dagster._cli.api import execute_run_command

    execute_run_command.main([arguments], standalone_mode=False)


def _warm_up() -> None:
    """Imports what runs need and resolves the job once; opens no connection and starts no thread."""
    for name in _NEEDED:
        importlib.import_module(name)
    from election_metrics.definitions import defs
    from election_metrics.pipeline.run_tags import JOB

    defs.get_repository_def().get_job(JOB)


if os.environ.pop(_WARM, None):
    _warm_up()
