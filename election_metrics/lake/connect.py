"""The engine that the settings name."""

from election_metrics.lake.duck import DuckEngine
from election_metrics.lake.engine import Engine, connect_here
from election_metrics.settings import Settings


def connect(settings: Settings) -> Engine:
    """The engine that the settings name.

    Raises:
        SettingsError: a required package is not installed.
        TransientError: the engine cannot be reached.
    """
    if settings.engine == "duckdb":
        return DuckEngine(connect_here(settings))
    from election_metrics.lake.spark import SparkEngine

    return SparkEngine(settings, connect_here(settings))
