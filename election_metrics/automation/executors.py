"""Executor of the steps of a run: in the run's process by default; on Kubernetes pods or Celery workers by setting."""

from pathlib import Path

import dagster as dg
import yaml

from election_metrics.errors import SettingsError
from election_metrics.settings import Settings


def executor(settings: Settings) -> dg.ExecutorDefinition:
    """The executor of all jobs; its configuration is validated by the executor's schema.

    Raises:
        SettingsError: the executor's package is not installed, or the schema rejects the configuration.
    """
    try:
        if settings.executor == "kubernetes":
            from dagster_k8s import k8s_job_executor as named
        elif settings.executor == "celery":
            from dagster_celery import celery_executor as named
        else:
            return dg.in_process_executor  # a process per step costs 3 s each
    except ImportError:
        raise SettingsError(
            f"ELECTION_METRICS_EXECUTOR is '{settings.executor}'; for it, type: "
            f"pip install 'election-metrics[{settings.executor}]'"
        ) from None
    if settings.executor_config is None:
        return named
    config = _read(settings.executor_config)
    checked = dg.GraphDefinition(name="any_job").to_job(executor_def=named)
    try:
        dg.validate_run_config(checked, {"execution": {"config": config}})
    except dg.DagsterInvalidConfigError as error:
        raise SettingsError(f"ELECTION_METRICS_EXECUTOR_CONFIG: {settings.executor_config}: {error}") from None
    return named.configured(config, name=named.name)


def _read(path: Path) -> object:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
        return content["execution"]["config"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"ELECTION_METRICS_EXECUTOR_CONFIG: {path} cannot be read: {error}") from None
    except (TypeError, KeyError):
        raise SettingsError(f"ELECTION_METRICS_EXECUTOR_CONFIG: {path} has no `execution: config:`") from None
