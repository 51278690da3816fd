"""`portal`: the second count, by hand: collect it, show it, and a stand-in to try it with."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from rich.console import Console

from election_metrics.assets.partitions import in_grid
from election_metrics.automation.jobs import AFTER_LANDING
from election_metrics.clock import hour_of
from election_metrics.commands.exit_codes import PARTLY_READ
from election_metrics.commands.progress import bars
from election_metrics.commands.runs import finish, finish_changed
from election_metrics.commands.second_count import print_agreement
from election_metrics.errors import SettingsError, SourceError
from election_metrics.pipeline.hours import changed_hours
from election_metrics.pipeline.portal import NONE_SET
from election_metrics.pipeline.registry import registry_is_behind
from election_metrics.replay.portal import Trouble, recorded, served
from election_metrics.runtime.launch import open_instance, run_portal, run_update
from election_metrics.sanitize import one_line
from election_metrics.settings import Settings, settings
from election_metrics.warehouse.migrate import migrate

_SHOWN = 5


def run_collect(console: Console, output: Console, chosen: Settings | None = None, *, everything: bool) -> int:
    """Asks the portal, computes what follows from it, and prints the second count; returns the exit code.

    Raises:
        SettingsError: no portal is set.
        ElectionMetricsError: the portal cannot be read at all.
    """
    chosen = chosen or settings()
    if chosen.portal_url is None:
        raise SettingsError(NONE_SET)
    migrate(chosen)
    now = datetime.now(UTC)
    with open_instance(chosen) as instance, bars(console) as progress:
        result = run_portal(chosen, instance, progress=progress, everything=everything)
        figures = finish(result, console, quiet=True)
        reasons = _reasons(result)
        if registry_is_behind(chosen):  # contracts that the portal alone knows are constituencies first
            finish(
                run_update(chosen, instance, hour_of(now), hour_of(now), "ingest", only=AFTER_LANDING),
                console,
                quiet=True,
            )
            result = run_portal(chosen, instance, progress=progress)
            figures += finish(result, console, quiet=True)
            reasons = list(dict.fromkeys([*reasons, *_reasons(result)]))
        hours = in_grid(changed_hours(chosen, now)) or [hour_of(now)]
        finish(
            run_update(chosen, instance, max(hours), max(hours), "ingest", progress=progress, only=AFTER_LANDING),
            console,
            quiet=True,
        )
        finish_changed(chosen, instance, progress, console)
    errors = figures["errors"]
    if errors:
        console.print(f"{errors} answer(s) of the portal could not be read, such as:")
        console.print("\n".join(f"  {one_line(reason)}" for reason in reasons[:_SHOWN]), markup=False)
    elif not figures["portal_counters.contracts_asked"]:
        console.print("Nothing was due: every hour was asked for. --everything asks again.")
    print_agreement(output, chosen)
    return PARTLY_READ if errors else 0


def _reasons(result: dg.ExecuteInProcessResult) -> list[str]:
    """What could not be read, as the run's assets say it."""
    found = []
    for event in result.get_asset_materialization_events():
        shown = event.step_materialization_data.materialization.metadata.get("first_errors")
        lines = str(shown.value).splitlines() if shown is not None else []
        found += [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    return found


def run_stand_in(console: Console, file: Path, port: int, *, seconds: float, busy_every: int, cut_every: int) -> None:
    """Serves recorded answers until Ctrl-C.

    Raises:
        SourceError: the file holds no answers by path.
    """
    try:
        answers = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{file} cannot be read: {error}") from None
    if not isinstance(answers, dict) or not answers:
        raise SourceError(f"{file} holds no answers: it must be a JSON object with a path for each key")
    try:
        with served(recorded(answers), port, Trouble(seconds, busy_every, cut_every)) as portal:
            console.print(f"{len(answers)} answer(s) are served at {portal.address}; Ctrl-C ends it. Try:")
            console.print(f"  ELECTION_METRICS_PORTAL_URL={portal.address} election-metrics portal collect")
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        console.print("Stopped.")
    except (OSError, OverflowError) as error:
        raise SourceError(f"port {port} cannot be used: {error}; choose another one: --port") from None
