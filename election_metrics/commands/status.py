"""`status`: how the system does, also while PostgreSQL does not answer.

Whoever types it then waits for an answer, so nothing is imported here that takes long: what needs pandas or Dagster is
imported when PostgreSQL has answered.
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
    """Prints what landed, what is behind, what waits, what the disk holds, what is wrong and could not be read.

    Returns:
        The exit code: NOT_ANSWERED where PostgreSQL does not answer, and what was printed is what was known last.
    """
    known = read_last_known(settings)
    if settings.database_url is None and not is_up(settings) and (full := no_room(settings)):
        # The embedded server would be started now, and could not.
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
    """What was known when the warehouse answered last; the disks, which may be why it does not."""
    now = datetime.now(UTC)
    console.print(f"[bold red]{escape(trouble)}[/bold red]")
    watched = "watches" if known.watches(now) else "does not run (election-metrics up)"
    console.print(f"Supervisor  {watched}")
    if known.figures_at is None:
        console.print("Last known  nothing: no up has looked yet")
    else:
        console.print(f"Last known  {known.figures_at:%Y-%m-%d %H:%M:%S} UTC\n")
        for name, count in known.figures.items():
            console.print(f"{name.replace('_', ' '):<26}{count:>14,}".replace(",", " "))
    stopped = unwatched(settings, known, now)
    print_known(console, [*known.everything(now), *([] if stopped is None else [stopped])])
    print_full_disks(console, settings)
