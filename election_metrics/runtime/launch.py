"""Runs `update_metrics_job` from the command line, recorded in the same Dagster instance as the sensors' runs."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path

import dagster as dg

from election_metrics.assets.resources import Progress
from election_metrics.locations import Location, name_of
from election_metrics.pipeline.run_tags import JOB, PORTAL_JOB, run_tags
from election_metrics.runtime import storage
from election_metrics.runtime.launcher import own_process
from election_metrics.settings import PREFIX, Settings

# Dagster writes the events of wide ranges in batches: 1.5 s instead of 44 s for 168 hours of four assets.
FAST_EVENTS = {"DAGSTER_EVENT_BATCH_SIZE": "1000", "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "1"}
# A tick that finds nothing new lists the whole source, which may be large and slow.
PATIENT_TICKS = {"DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "300"}


def dagster_environment(settings: Settings) -> dict[str, str]:
    """Environment variables that let every Dagster process find the same storage; creates DAGSTER_HOME."""
    urls = {"DATABASE_URL": settings.database_url, "DAGSTER_DATABASE_URL": settings.dagster_database_url}
    where = {f"{PREFIX}{name}": "" if url is None else url.get_secret_value() for name, url in urls.items()}
    return {**_dagster_home(settings), f"{PREFIX}HOME": str(settings.home), **where}


def _dagster_home(settings: Settings) -> dict[str, str]:
    """DAGSTER_HOME, created if missing, and the settings of events and ticks."""
    home = Path(os.environ.get("DAGSTER_HOME") or settings.dagster_path)
    home.mkdir(parents=True, exist_ok=True)
    ours = resources.files("election_metrics.runtime").joinpath("dagster.yaml").read_text("utf-8")
    theirs = home / "dagster.yaml"
    # A dagster.yaml in a DAGSTER_HOME that the user set is never overwritten; the default one follows this release.
    if not theirs.exists() or ("DAGSTER_HOME" not in os.environ and theirs.read_text("utf-8") != ours):
        fresh = home / f".dagster.yaml.{os.getpid()}"
        fresh.write_text(ours, "utf-8")
        fresh.replace(theirs)
    return {"DAGSTER_HOME": str(home), **FAST_EVENTS, **PATIENT_TICKS}


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The same Dagster instance that the daemon and the UI use, with the storage of these settings."""
    os.environ.update(_dagster_home(settings))
    storage.use(settings)
    return dg.DagsterInstance.get()


def run_update(
    settings: Settings,
    instance: dg.DagsterInstance,
    first: datetime,
    last: datetime,
    trigger: str,
    *,
    source: Location | None = None,
    progress: Progress | None = None,
    only: Sequence[str] | None = None,
    landing: Mapping[str, object] | None = None,
) -> dg.ExecuteInProcessResult:
    """Runs `update_metrics_job` in this process, for the hours first..last (UTC, inclusive).

    Args:
        settings: the settings.
        instance: where the run is recorded.
        first: first hour.
        last: last hour.
        trigger: run tag that says what requested the run.
        source: what to land; None: the setting.
        progress: receives progress reports.
        only: keys of the job's assets to run; None: all.
        landing: further configuration of `landed_files`, such as what to reload (see `LandedFilesConfig`).
    """
    landing_config = {**({} if source is None else {"source": name_of(source)}), **(landing or {})}
    config = {"landed_files": {"config": landing_config}} if landing_config else {}
    tags = run_tags(trigger, f"election-metrics {trigger}", (first, last))
    return _run(settings, instance, JOB, tags, config, progress, only)


def run_portal(
    settings: Settings, instance: dg.DagsterInstance, *, progress: Progress | None = None, everything: bool = False
) -> dg.ExecuteInProcessResult:
    """Runs `portal_job` in this process.

    Args:
        settings: the settings.
        instance: where the run is recorded.
        progress: receives progress reports.
        everything: ask for contracts that are not due too.
    """
    config = {"portal_counters": {"config": {"everything": everything}}}
    return _run(settings, instance, PORTAL_JOB, run_tags("ingest", "election-metrics portal collect"), config, progress)


def _run(
    settings: Settings,
    instance: dg.DagsterInstance,
    name: str,
    tags: Mapping[str, str],
    config: Mapping[str, object],
    progress: Progress | None,
    only: Sequence[str] | None = None,
) -> dg.ExecuteInProcessResult:
    from election_metrics.definitions import build_defs

    overrides: dict[str, object] = {"settings": settings, "progress": progress or Progress()}
    return (
        build_defs(resource_overrides=overrides)
        .resolve_job_def(name)
        .execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}, "ops": dict(config)},
            tags={**tags, **own_process()},
            asset_selection=None if only is None else [dg.AssetKey(key) for key in only],
            raise_on_error=False,
        )
    )
