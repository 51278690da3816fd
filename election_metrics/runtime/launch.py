"""Running the job from the command line: the same job as the sensors', recorded in the same Dagster instance."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path

import dagster as dg

from election_metrics.assets.resources import Progress
from election_metrics.locations import Location, name_of
from election_metrics.pipeline.run_tags import JOB, run_tags
from election_metrics.runtime import storage
from election_metrics.runtime.launcher import own_process
from election_metrics.settings import PREFIX, Settings

# Bookkeeping of wide ranges in batches: 44 s become 1.5 s for 168 hours of four assets.
FAST_EVENTS = {"DAGSTER_EVENT_BATCH_SIZE": "1000", "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "1"}
# A source in which nothing is new is looked through to its end, however large and slow it is.
PATIENT_TICKS = {"DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "300"}


def dagster_environment(settings: Settings) -> dict[str, str]:
    """What every process of Dagster needs in its environment, to find the same storage; makes DAGSTER_HOME."""
    urls = {"DATABASE_URL": settings.database_url, "DAGSTER_DATABASE_URL": settings.dagster_database_url}
    where = {f"{PREFIX}{name}": "" if url is None else url.get_secret_value() for name, url in urls.items()}
    return {**_dagster_home(settings), f"{PREFIX}HOME": str(settings.home), **where}


def _dagster_home(settings: Settings) -> dict[str, str]:
    """DAGSTER_HOME, made where there is none, and how events are written."""
    home = Path(os.environ.get("DAGSTER_HOME") or settings.dagster_path)
    home.mkdir(parents=True, exist_ok=True)
    ours = resources.files("election_metrics.runtime").joinpath("dagster.yaml").read_text("utf-8")
    theirs = home / "dagster.yaml"
    # A DAGSTER_HOME of the user's is theirs to edit; ours follows the version that is installed.
    if not theirs.exists() or ("DAGSTER_HOME" not in os.environ and theirs.read_text("utf-8") != ours):
        fresh = home / f".dagster.yaml.{os.getpid()}"
        fresh.write_text(ours, "utf-8")
        fresh.replace(theirs)
    return {"DAGSTER_HOME": str(home), **FAST_EVENTS, **PATIENT_TICKS}


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Dagster's instance as the daemon and the UI see it, with the storage of these settings."""
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
    """Runs `update_metrics_job` here and now, for the hours first..last (UTC, inclusive).

    Args:
        settings: the settings.
        instance: where the run is recorded.
        first: first hour.
        last: last hour.
        trigger: who asks, as a run tag.
        source: what to land; None: the setting.
        progress: where to report.
        only: keys of the job's assets to run; None: all.
        landing: what else `landed_files` is told, such as what to land once more (see `LandedFilesConfig`).
    """
    from election_metrics.definitions import build_defs

    overrides: dict[str, object] = {"settings": settings, "progress": progress or Progress()}
    job = build_defs(resource_overrides=overrides).resolve_job_def(JOB)
    config: dict[str, object] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    told = {**({} if source is None else {"source": name_of(source)}), **(landing or {})}
    if told:
        config["ops"] = {"landed_files": {"config": told}}
    return job.execute_in_process(
        instance=instance,
        run_config=config,
        tags={**run_tags(trigger, f"election-metrics {trigger}", (first, last)), **own_process()},
        asset_selection=None if only is None else [dg.AssetKey(key) for key in only],
        raise_on_error=False,
    )
