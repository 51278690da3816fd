"""Prometheus metrics of the pipeline: `up` serves them on ELECTION_METRICS_METRICS_PORT."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

import dagster as dg
import sqlalchemy as sa
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from election_metrics.automation.pruning import dagster_bytes
from election_metrics.automation.queue import counts_of_last_day, unfinished_runs
from election_metrics.errors import ElectionMetricsError
from election_metrics.runtime.launcher import DATABASE_AWAY
from election_metrics.settings import Settings
from election_metrics.warehouse.answering import Asker
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.reports import read_newest_transactions, read_status

if TYPE_CHECKING:
    from election_metrics.runtime.watching import Watch

PREFIX = "election_metrics"
_PATIENCE = 8.0  # Prometheus waits ten seconds
_WHAT = {
    "files_landed": "Current file versions that landed",
    "files_unreadable": "Files that could not be read",
    "files_superseded": "File versions that a newer one replaced",
    "lines_in_quarantine": "Lines of current files that could not be read",
    "lake_parts": "Parquet files of the lake",
    "lake_bytes": "Bytes of the lake",
    "hours_with_transactions": "Hours with transactions",
    "hours_behind": "Hours whose figures are behind what landed",
    "elections_behind": "Elections whose figures are behind their hours",
}


class Pipeline(Collector):
    """Reads every figure at scrape time, so that none is stale."""

    def __init__(
        self,
        settings: Settings,
        instance: dg.DagsterInstance,
        starts: Callable[[], dict[str, int]],
        watching: "Watch | None" = None,
    ) -> None:
        self._settings, self._instance, self._starts, self._watch = settings, instance, starts, watching
        self._asker = Asker()

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: describing the metrics would need the database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every metric; only `up` (0) and what needs no database while it cannot be reached."""
        up = GaugeMetricFamily(f"{PREFIX}_up", "Whether the databases answered", value=1)
        yield from self._of_watch()
        try:
            found = self._found()
        except (ElectionMetricsError, TimeoutError, *DATABASE_AWAY):
            up, found = GaugeMetricFamily(f"{PREFIX}_up", "Whether the databases answered", value=0), []
        yield up
        yield from found
        starts = GaugeMetricFamily(f"{PREFIX}_starts", "How often the supervisor started a part", labels=["part"])
        for part, count in self._starts().items():
            starts.add_metric([part], count)
        yield starts

    def _found(self) -> list[GaugeMetricFamily]:
        """The metrics from the databases, read within a deadline."""
        if self._watch is not None and self._watch.seen.database:
            raise TimeoutError(self._watch.seen.database)
        read = lambda: [*self._of_warehouse(), *self._of_dagster()]  # noqa: E731 passed on, not called here
        answer = self._asker.ask_all({"databases": read}, _PATIENCE)["databases"]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, list)
        return answer

    def _of_watch(self) -> Iterator[GaugeMetricFamily]:
        """Metrics that the supervisor knows without a database."""
        if self._watch is None:
            return
        wrong = GaugeMetricFamily(f"{PREFIX}_problem", "Something that is wrong now", labels=["problem", "severity"])
        for problem in self._watch.known.everything(datetime.now(UTC)):
            wrong.add_metric([problem.key, problem.severity], 1)
        yield wrong
        if self._watch.heartbeat is not None:
            age = (datetime.now(UTC) - self._watch.heartbeat).total_seconds()
            yield GaugeMetricFamily(f"{PREFIX}_heartbeat_seconds", "Age of the daemon's oldest heartbeat", value=age)
        free = shutil.disk_usage(self._settings.home).free
        yield GaugeMetricFamily(f"{PREFIX}_disk_free_bytes", "Free on the disk of HOME", value=free)

    def _of_warehouse(self) -> Iterator[GaugeMetricFamily]:
        with transaction(self._settings) as connection:
            counts = read_status(connection)
            newest = read_newest_transactions(connection)
            landed = connection.execute(
                sa.text("SELECT coalesce(sum(rows), 0) FROM ingest.transaction_files WHERE status = 'landed'")
            ).scalar_one()
            problems = connection.execute(sa.text("SELECT count(*) FROM ingest.problems")).scalar_one()
            dead_letters = sa.text("SELECT count(*) FROM ingest.landing_attempts WHERE set_aside_at IS NOT NULL")
            waiting = connection.execute(dead_letters).scalar_one()
        for name, count in counts.items():
            yield GaugeMetricFamily(f"{PREFIX}_{name}", _WHAT.get(name, name), value=count)
        yield GaugeMetricFamily(f"{PREFIX}_rows_landed", "Transactions in current files", value=float(landed))
        yield GaugeMetricFamily(f"{PREFIX}_problems", "Problems that alerts were raised for", value=problems)
        yield GaugeMetricFamily(f"{PREFIX}_files_set_aside", "Files set aside so that others land", value=waiting)
        lag = GaugeMetricFamily(
            f"{PREFIX}_lag_seconds", "Age of the newest transaction of an election that is voting", labels=["election"]
        )
        now = datetime.now(UTC)
        for name, starts, ends, last in newest:
            if starts is not None and ends is not None and starts <= now <= ends and last is not None:
                lag.add_metric([name], max(0.0, (now - last).total_seconds()))  # transactions may be ahead of the clock
        yield lag

    def _of_dagster(self) -> Iterator[GaugeMetricFamily]:
        queue = GaugeMetricFamily(f"{PREFIX}_queue", "Runs that have not ended", labels=["state"])
        runs = unfinished_runs(self._instance)
        for state in ("waits", "starting", "started"):
            queue.add_metric([state], sum(run.state == state for run in runs))
        yield queue
        ended = GaugeMetricFamily(f"{PREFIX}_runs_of_24_hours", "Runs that ended", labels=["how"])
        for how, count in counts_of_last_day(self._instance).items():
            ended.add_metric([how], count)
        yield ended
        yield GaugeMetricFamily(f"{PREFIX}_dagster_bytes", "Dagster's database", value=dagster_bytes(self._settings))
        if self._watch is None:
            free = shutil.disk_usage(self._settings.home).free
            yield GaugeMetricFamily(f"{PREFIX}_disk_free_bytes", "Free on the disk of HOME", value=free)


def serve(
    settings: Settings,
    instance: dg.DagsterInstance,
    port: int,
    host: str,
    starts: Callable[[], dict[str, int]],
    watching: "Watch | None" = None,
) -> WSGIServer:
    """Serves the metrics at http://host:port/metrics from a thread; `shutdown()` ends it."""
    registry = CollectorRegistry()
    registry.register(Pipeline(settings, instance, starts, watching))
    server, _ = start_http_server(port, host, registry)
    return server
