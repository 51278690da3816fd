"""`status`: the state of the system, also while PostgreSQL does not answer.

It must answer quickly, so nothing slow is imported here: modules that need pandas or Dagster are imported once
PostgreSQL has answered.
"""

from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape

from election_metrics.commands.exit_codes import NOT_ANSWERED
from election_metrics.commands.known import print_full_disks, print_known
from election_metrics.errors import TransientError
from election_metrics.pipeline.disk import no_room
from election_metrics.pipeline.last_known import DATABASE, LastKnown, read_last_known, unwatched
from election_metrics.settings import Settings
from election_metrics.warehouse.answering import check_that_it_answers
from election_metrics.warehouse.server import is_up

_PATIENCE = 1.0
_PATIENCE_WHERE_IT_HUNG = 0.3


def print_status(console: Console, settings: Settings) -> int:
    """Prints what landed, what is behind, the queue, disk usage, problems, and what could not be read.

    Returns:
        The exit code: NOT_ANSWERED if PostgreSQL does not answer and the last known state was printed.
    """
    known = read_last_known(settings)
    if settings.database_url is None and not is_up(settings) and (full := no_room(settings)):
        # Reading the warehouse would start the embedded server, which fails on a full disk.
        _print_last_known(console, settings, known, f"PostgreSQL is down, and {full}")
        return NOT_ANSWERED
    hung = any(one.key == DATABASE for one in known.seen_now(datetime.now(UTC)))
    try:
        check_that_it_answers(settings, _PATIENCE_WHERE_IT_HUNG if hung else _PATIENCE)
        from election_metrics.commands.reports import print_warehouse

        print_warehouse(console, settings)
    except TransientError as error:
        _print_last_known(console, settings, known, str(error))
        return NOT_ANSWERED
    return 0


def _print_last_known(console: Console, settings: Settings, known: LastKnown, trouble: str) -> None:
    """Prints the last known state, and the disks, which may be the cause."""
    now = datetime.now(UTC)
    console.print(f"[bold red]{escape(trouble)}[/bold red]")
    watched = "watches" if known.watches(now) else "does not run (election-metrics up)"
    console.print(f"Supervisor  {watched}")
    if known.figures_at is None:
        console.print("Last known  nothing: `up` has not run here yet")
    else:
        console.print(f"Last known  {known.figures_at:%Y-%m-%d %H:%M:%S} UTC\n")
        for name, count in known.figures.items():
            console.print(f"{name.replace('_', ' '):<26}{count:>14,}".replace(",", " "))
    stopped = unwatched(settings, known, now)
    print_known(console, [*known.everything(now), *([] if stopped is None else [stopped])])
    print_full_disks(console, settings)
