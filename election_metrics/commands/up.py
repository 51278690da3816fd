"""`up`: the whole system, unattended."""

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event

import dagster as dg
from rich.console import Console
from rich.markup import escape

from election_metrics.automation.alerts import reason_of
from election_metrics.automation.console import quiet_retries
from election_metrics.automation.delivery import refuse_unknown_channels
from election_metrics.pipeline.run_tags import TRIGGER, WHY
from election_metrics.pipeline.source import look_at_source
from election_metrics.runtime.claim import claimed
from election_metrics.runtime.exporter import serve
from election_metrics.runtime.launch import open_instance
from election_metrics.runtime.launcher import DATABASE_AWAY
from election_metrics.runtime.ports import at_terminal, port_for
from election_metrics.runtime.supervisor import Supervisor, stop_on_signals
from election_metrics.runtime.ui_access import rules_of
from election_metrics.runtime.watching import Watch, in_background
from election_metrics.settings import Settings, settings
from election_metrics.warehouse.answering import SECONDS, within
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.server import plain_url, warehouse_url
from election_metrics.web.names import reached_at

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_LOOK_AT_RUNS_EVERY = 3.0


def run_up(console: Console, *, host: str, port: int, read_only_port: int | None) -> None:
    """Locks HOME, migrates, starts everything and supervises it until SIGINT or SIGTERM.

    Raises:
        ElectionMetricsError: another `up` uses HOME, Apprise does not support an alert URL, or a port is taken and the
            command does not run at a terminal.
    """
    chosen = settings()
    rules = rules_of(chosen, host, read_only=False)
    if read_only_port is not None:
        rules_of(chosen, host, read_only=True)
    refuse_unknown_channels(chosen)
    say = teller(console)
    with claimed(chosen.home):
        ports = _ports(chosen, host, port, read_only_port)
        migrate(chosen, tell=say)
        supervisor = Supervisor(chosen, ports[0], ports[1], host, ports[2], tell=say)
        _run(chosen, supervisor, asks_for_login=rules.token is not None)
    say("Stopped.")


def _ports(chosen: Settings, host: str, port: int, read_only_port: int | None) -> tuple[int, int | None, int | None]:
    """Ports of the UI, the read-only UI and the API; None for what is not served.

    Raises:
        ElectionMetricsError: one of them, or the port for Prometheus, is taken, and no other may be used.
    """
    may_differ = at_terminal()
    ui = port_for("the Dagster UI", port, host, "--port", may_differ=may_differ)
    onlookers = api = None
    if read_only_port is not None:
        onlookers = port_for("the UI for onlookers", read_only_port, host, "--read-only-port", may_differ=may_differ)
    if chosen.api_port:
        option = "ELECTION_METRICS_API_PORT"
        api = port_for("the page", chosen.api_port, chosen.api_host, option, may_differ=may_differ)
    if chosen.metrics_port is not None:
        port_for("/metrics", chosen.metrics_port, host, "ELECTION_METRICS_METRICS_PORT", may_differ=False)
    return ui, onlookers, api


def _run(chosen: Settings, supervisor: Supervisor, *, asks_for_login: bool) -> None:
    host, read_only_port, say = supervisor.host, supervisor.read_only_port, supervisor.tell
    with stop_on_signals() as asked:
        say("Starting …")
        with supervisor:
            say(f"The Dagster UI is at http://{reached_at(host)}:{supervisor.port} (log: {supervisor.log_path}).")
            if asks_for_login:
                say("It asks for a login: any name, and ELECTION_METRICS_UI_TOKEN as the password.")
            if read_only_port is not None:
                say(
                    f"For onlookers, without any button that changes something: http://{reached_at(host)}:{read_only_port}"
                )
            if supervisor.api_port is not None:
                say(f"The page: http://{reached_at(chosen.api_host)}:{supervisor.api_port} (API: /docs)")
            say(watched(chosen))
            say(f'The tables: psql "{plain_url(warehouse_url(chosen))}"')
            say("Ctrl-C ends everything.")
            watch(supervisor, chosen, asked)
            say("Stopping; a run in progress may finish …")


def watched(chosen: Settings) -> str:
    """A sentence on the watched source, or on what is wrong with it."""
    source = chosen.source_path
    if source is None and chosen.source_table is not None:
        return f"The mapping {chosen.source_table} is followed."
    if source is None:
        return "ELECTION_METRICS_SOURCE is not set: no folder is watched."
    try:
        state = within(SECONDS, lambda: look_at_source(source))
    except TimeoutError:
        return f"The source {source} does not answer; retrying."
    if state.trouble:
        return f"The source {source} {state.trouble}; retrying."
    return f"Watching {source}." if state.has_files else f"Watching {source}, in which there is no export file yet."


def teller(console: Console) -> Callable[[str], None]:
    """A function that prints a line with the time (UTC) in front."""

    def say(text: str) -> None:
        console.print(f"[dim]{datetime.now(UTC):%H:%M:%S}[/dim] {escape(text)}", soft_wrap=True)

    return say


def watch(supervisor: Supervisor, chosen: Settings, asked: Event) -> None:
    """Supervises the parts, and prints how each run ended and what is wrong."""
    with open_instance(chosen) as instance:
        page = f"http://{reached_at(chosen.api_host)}:{supervisor.api_port}" if supervisor.api_port else None
        watching = Watch(supervisor.with_own_addresses(chosen), supervisor, instance, page)
        if chosen.metrics_port is not None:

            def starts() -> dict[str, int]:
                return {part.name: part.starts for part in supervisor.parts}

            serve(chosen, instance, chosen.metrics_port, supervisor.host, starts, watching)
            where = f"{reached_at(supervisor.host)}:{chosen.metrics_port}"
            supervisor.tell(f"Metrics for Prometheus: http://{where}/metrics")

        def tell_of_runs(ended: Event) -> None:
            # In a thread: while PostgreSQL hangs, this hangs too, and the parts must still be supervised.
            news = RunNews(instance)
            while not ended.wait(_LOOK_AT_RUNS_EVERY):
                for line in news.lines():
                    supervisor.tell(line)

        with in_background(watching.run, tell_of_runs):
            supervisor.watch(asked.is_set)


class RunNews:
    """Outcomes of runs, each reported once."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        quiet_retries()
        self._since = datetime.now(UTC)
        self._told: set[str] = set()

    def lines(self) -> list[str]:
        """One line for each run that ended since the last call; none while the database cannot be reached."""
        try:
            return self._ended()
        except DATABASE_AWAY:
            return []

    def _ended(self) -> list[str]:
        filters = dg.RunsFilter(statuses=_ENDED, updated_after=self._since)
        records = [
            record
            for record in self._instance.get_run_records(filters, limit=100)
            if record.dagster_run.run_id not in self._told
        ]
        if records:
            self._since = max(record.update_timestamp.replace(tzinfo=UTC) for record in records)
            self._told = {record.dagster_run.run_id for record in records} | set(list(self._told)[:200])
        return [self._line(record) for record in reversed(records)]

    def _line(self, record: dg.RunRecord) -> str:
        line = _line(record)
        if record.dagster_run.status == dg.DagsterRunStatus.FAILURE:
            line += f"\n         {reason_of(self._instance, record.dagster_run.run_id)}"
        return line


def _line(record: dg.RunRecord) -> str:
    run = record.dagster_run
    took = (record.end_time or 0) - (record.start_time or record.end_time or 0)
    why = run.tags.get(WHY) or run.tags.get(TRIGGER) or run.job_name
    how = {dg.DagsterRunStatus.SUCCESS: "done", dg.DagsterRunStatus.CANCELED: "CANCELLED"}.get(run.status, "FAILED")
    return f"run {run.run_id[:8]} {how} in {took:.1f} s: {why}"
