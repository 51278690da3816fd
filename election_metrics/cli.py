"""The commands of `election-metrics`. Each error says what to type."""

import contextlib
import getpass
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TextIO

import click
from rich.console import Console

from election_metrics import __version__
from election_metrics.clock import read_hour
from election_metrics.errors import ElectionMetricsError
from election_metrics.locations import Location, place
from election_metrics.pipeline.packages.licences import LICENCES

_WIDE = 10_000


def _width(stream: TextIO) -> int | None:
    """In a file or a pipe, lines are not wrapped, so that paths can be copied and searched for."""
    return None if stream.isatty() or "COLUMNS" in os.environ else _WIDE


console = Console(stderr=True, highlight=False, width=_width(sys.stderr))


def _output() -> Console:
    """Standard output."""
    return Console(highlight=False, width=_width(sys.stdout))


@contextlib.contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    """A new file.

    Raises:
        ElectionMetricsError: it cannot be written.
    """
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise ElectionMetricsError(f"{path} cannot be written: {error.strerror}") from None


_WITHOUT_HOME = ("replay", "verify", "stand-in")
"""Commands that use neither HOME nor a database."""


_HANDLE_A_HUNG_DATABASE = {"up", "demo", "status", "restore"}
"""Commands that report a hung PostgreSQL themselves, or wait for it."""


class _Command(click.Command):
    """Refuses a HOME in use by another release's `up` or half restored, and a database that hangs."""

    def invoke(self, ctx: click.Context) -> object:
        if self.name not in _WITHOUT_HOME:
            from election_metrics.settings import settings
            from election_metrics.warehouse.release import refuse_beside_another_release, refuse_restored_by_half

            refuse_beside_another_release(settings().home)
            if self.name != "restore":
                refuse_restored_by_half(settings().home)
            if self.name not in _HANDLE_A_HUNG_DATABASE:
                from election_metrics.warehouse.answering import SECONDS, check_that_it_answers

                check_that_it_answers(settings(), SECONDS)
        return super().invoke(ctx)


class _Commands(click.Group):
    """Prints this project's errors as one sentence, with exit code 1."""

    command_class = _Command
    group_class = type

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ElectionMetricsError as error:
            raise click.ClickException(str(error)) from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        """In the order of use, not alphabetically."""
        return list(self.commands)


class _Hour(click.ParamType[datetime]):
    """An hour in UTC: 2026-09-18T08:00, or with an offset."""

    name = "hour"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parses the hour; refuses anything but a whole hour."""
        if isinstance(value, datetime):
            return value
        try:
            return read_hour(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


HOUR = _Hour()


class _Moment(click.ParamType[datetime]):
    """A moment of the past, UTC unless it says its zone."""

    name = "moment"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parses a moment, such as 2026-09-18T14:00Z."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no moment; write it as 2026-09-18T14:00Z", param, ctx)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment > datetime.now(UTC):
            self.fail(f"{value} is to come; leave it out for what is known now", param, ctx)
        return moment


_AS_OF = click.option(
    "--as-of", type=_Moment(), help="As it was known at this moment, before later files and corrections; UTC."
)


class _Place(click.ParamType[Location]):
    """A folder or file, or the URL of an object store."""

    name = "path"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Location:  # noqa: ARG002
        """Parses it; refuses a URL whose scheme needs a package that is not installed."""
        return place(str(value), param.name if param and param.name else "it")


PLACE = _Place()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
def main() -> None:
    """Turnout of an on-line vote, by hour, constituency and election, from blockchain exports to BI tables.

    Start with `election-metrics demo`. For your own files: `election-metrics ingest FOLDER`, then
    `election-metrics summary`. Settings are environment variables named ELECTION_METRICS_…; with none set,
    everything is in .election-metrics in this folder, with an embedded PostgreSQL.

    Exit codes: 0 success; 1 an error, explained in one sentence; 2 wrong usage; 3 success, but some of the input could
    not be read (`status` says which and why); 4 PostgreSQL does not answer, and `status` prints the last known state.
    """


@main.command()
@click.option("--once", is_flag=True, help="Stop after the summary; do not serve the UI.")
@click.option("--port", default=3000, show_default=True, help="Port of the Dagster UI; another if it is taken.")
@click.option("--pace", default=8.0, show_default=True, help="Seconds between two of the last hours.")
@click.option("--transactions", default=100_000, show_default=True, help="Approximate number of transactions in all.")
def demo(once: bool, port: int, pace: float, transactions: int) -> None:
    """Replay the vote of September 2026 as if its third day were today.

    Lands and computes the past hours except the last twelve in one run and prints the summary. Then serves the Dagster
    UI, with sensors and schedules on, while the last twelve hours arrive one by one, and each later hour when it is
    over. Ctrl-C ends everything it started.
    """
    from election_metrics.commands.demo import run_demo

    run_demo(console, once=once, port=port, pace=pace, transactions=transactions)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=3000, show_default=True, help="Port of the Dagster UI.")
@click.option("--read-only-port", type=int, help="Port of a second UI for onlookers, which can change nothing.")
def up(host: str, port: int, read_only_port: int | None) -> None:
    """Run everything: database, Dagster UI, daemon with sensors and schedules; until Ctrl-C.

    Watches ELECTION_METRICS_SOURCE, lands what appears there and keeps every table up to date. A process that exits
    unexpectedly is restarted. After a kill -9 or a reboot, type it again: nothing is lost, nothing is counted twice.

    If a port is taken and you typed this at a terminal, a free port is used and printed. A service (systemd, a
    container, a pipe) waits 20 s for the port, then fails with an error message and exit code 1.

    \b
    ELECTION_METRICS_SOURCE=~/exports election-metrics up
    """
    from election_metrics.commands.up import run_up

    run_up(console, host=host, port=port, read_only_port=read_only_port)


@main.command()
@click.argument("path", type=PLACE)
def ingest(path: Location) -> None:
    """Land the portal exports below PATH and compute everything that depends on them.

    PATH is a folder, a .csv or an archive (.zip, .tar, .gz, .bz2, .xz, .zst), or one of these in an object store. The
    command is idempotent: files that landed before are skipped. Its runs of update_metrics_job are recorded in Dagster.

    \b
    election-metrics ingest ~/Downloads/exports
    election-metrics ingest "AsrxMqf…_2024-09-06_0800-0900.csv"
    election-metrics ingest s3://observatory/exports
    """
    from election_metrics.commands.runs import run_ingest

    sys.exit(run_ingest(console, path))


@main.command()
@click.option("--from", "first", type=HOUR, required=True, help="First hour, UTC: 2026-09-18T05:00.")
@click.option("--to", "last", type=HOUR, required=True, help="Last hour, inclusive.")
@click.option("--dry-run", is_flag=True, help="Count, compare and say which hours would change; write nothing.")
def backfill(first: datetime, last: datetime, dry_run: bool) -> None:
    """Compute a range of hours again, in one run.

    Idempotent: computing an hour again gives the same rows, and is safe while other runs are in progress.

    \b
    election-metrics backfill --from 2026-09-18T05:00 --to 2026-09-18T09:00
    """
    from election_metrics.commands.runs import run_backfill

    run_backfill(console, first, last, dry_run=dry_run)


@main.command()
@click.option("--from", "first", type=HOUR, help="Only files with rows of this hour (UTC) or later.")
@click.option("--to", "last", type=HOUR, help="Only files with rows of this hour or earlier.")
@click.option("--constituency", help="Only files of this constituency_id.")
@click.option("--source", type=PLACE, help="Folder of the files; default: ELECTION_METRICS_SOURCE.")
@click.option("--dry-run", is_flag=True, help="Say which files would be read; read none.")
def reland(
    first: datetime | None, last: datetime | None, constituency: str | None, source: Location | None, dry_run: bool
) -> None:
    """Reload files of the source that landed before, for a lake that was lost or damaged.

    The new rows of a file replace its old ones in one transaction, so the figures never miss either.

    \b
    election-metrics reland --from 2026-09-18T05:00 --to 2026-09-18T09:00
    election-metrics reland --constituency AsrxMqf… --source ~/exports
    """
    from election_metrics.commands.runs import run_reland

    run_reland(console, source, first, last, constituency, dry_run=dry_run)


@main.group()
def table() -> None:
    """Read transactions from a table of another database: check the mapping, land new rows.

    ELECTION_METRICS_SOURCE_URL names the database, ELECTION_METRICS_SOURCE_TABLE a TOML file that names the table
    and maps its columns. With these set, `election-metrics up` reads the table by itself.

    \b
    election-metrics table check
    election-metrics table ingest
    """


@main.group()
def source() -> None:
    """Read files of any form by a mapping: a CSV, JSON or Parquet of an authority becomes a source.

    A mapping is a small TOML file that says which column is the place, the time, and what is counted. Draft one from a
    file, check what it makes of the files, then land them; with ELECTION_METRICS_SOURCE_TABLE set to it,
    `election-metrics up` reads new and changed files by itself.

    \b
    election-metrics source suggest turnout.csv > turnout.toml
    election-metrics source check turnout.toml
    election-metrics source ingest turnout.toml
    """


@source.command("suggest")
@click.argument("path", type=click.Path(path_type=Path))
def suggest_source(path: Path) -> None:
    """Draft a mapping by looking at the file PATH; print it as TOML.

    \b
    election-metrics source suggest turnout.csv > turnout.toml
    """
    from election_metrics.commands.source import print_suggestion
    from election_metrics.settings import settings

    sys.exit(print_suggestion(_output(), settings(), path))


@source.command("check")
@click.argument("mapping", type=click.Path(path_type=Path))
@click.argument("path", type=click.Path(path_type=Path), required=False)
def check_source(mapping: Path, path: Path | None) -> None:
    """Print what MAPPING makes of its files, or of the file or folder PATH; land nothing.

    The exit code is 3 if a file, a line or a row cannot be read.

    \b
    election-metrics source check turnout.toml
    election-metrics source check turnout.toml downloads/2026-09-18.csv
    """
    from election_metrics.commands.source import print_check
    from election_metrics.settings import settings

    sys.exit(print_check(_output(), settings(), mapping, path))


@source.command("ingest")
@click.argument("mapping", type=click.Path(path_type=Path))
def ingest_source(mapping: Path) -> None:
    """Land the files of MAPPING, and compute everything that depends on them.

    Idempotent: hours that did not change are skipped. Patterns begin at the mapping's folder.

    \b
    election-metrics source ingest turnout.toml
    """
    from election_metrics.commands.source import run_source_ingest

    sys.exit(run_source_ingest(console, mapping))


@table.command("check")
def check_table() -> None:
    """Print what the table holds and how it would be counted; land nothing."""
    from election_metrics.commands.table import print_check
    from election_metrics.settings import settings

    sys.exit(print_check(_output(), settings()))


@table.command("ingest")
@click.option("--compare", is_flag=True, help="Compare every hour with what landed, and read those that differ.")
@click.option("--from", "first", type=HOUR, help="Reload this hour (UTC) and later ones, changed or not.")
@click.option("--to", "last", type=HOUR, help="Up to this hour, inclusive.")
def ingest_table(compare: bool, first: datetime | None, last: datetime | None) -> None:
    """Land new rows, and compute everything that depends on them.

    Idempotent: rows that landed before are skipped.

    \b
    election-metrics table ingest --compare
    election-metrics table ingest --from 2026-09-18T05:00 --to 2026-09-18T09:00
    """
    from election_metrics.commands.runs import run_table_ingest

    sys.exit(run_table_ingest(console, first, last, compare=compare))


@main.group()
def portal() -> None:
    """Compare with the portal's own count: collect what it publishes, show where both counts differ.

    ELECTION_METRICS_PORTAL_URL names the portal's interface. With it set, `election-metrics up` collects by itself,
    a few minutes after each full hour.

    \b
    election-metrics portal collect
    election-metrics portal show
    """


@portal.command("collect")
@click.option("--everything", is_flag=True, help="Ask for every contract, also those asked for in this hour.")
def collect_portal(everything: bool) -> None:
    """Ask the portal for its registry, hours and precincts, and compare.

    Idempotent. What the portal published before and changed is kept. Exit code 3: some answers could not be read.
    """
    from election_metrics.commands.portal import run_collect

    sys.exit(run_collect(console, _output(), everything=everything))


@portal.command("show")
def show_portal() -> None:
    """Show where both counts agree and differ; ask nothing."""
    from election_metrics.commands.second_count import print_agreement
    from election_metrics.settings import settings

    print_agreement(_output(), settings())


@portal.command("stand-in")
@click.argument("answers", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--port", default=8900, show_default=True, help="Port on this machine; 0: a free one.")
@click.option("--seconds", default=0.0, show_default=True, help="Seconds until an answer.")
@click.option("--busy-every", default=0, show_default=True, help="Answer every so many requests with 503.")
@click.option("--cut-every", default=0, show_default=True, help="Break off every so many answers half way.")
def stand_in(answers: Path, port: int, seconds: float, busy_every: int, cut_every: int) -> None:
    """Serve recorded ANSWERS in place of the portal, to try the second count without it.

    ANSWERS is a JSON object: paths, such as "elections?level=FEDERAL", with what the portal answered.
    """
    from election_metrics.commands.portal import run_stand_in

    run_stand_in(console, answers, port, seconds=seconds, busy_every=busy_every, cut_every=cut_every)


@main.group()
def lake() -> None:
    """Move the raw transactions to another disk, or to an object store and back."""


@lake.command("move")
@click.argument("target", type=PLACE)
def move_lake(target: Location) -> None:
    """Copy the lake to TARGET, a folder or the URL of an object store, and read every part back.

    It is safe while the system runs. Then stop `up`, type it once more to copy what arrived in between, set
    ELECTION_METRICS_LAKE to TARGET, and start `up` again. Nothing is removed from the old location.

    \b
    election-metrics lake move s3://observatory/lake
    """
    from election_metrics.commands.lake import run_move

    run_move(console, target)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--link", is_flag=True, help="Link the lake's files instead of copying them; on the same disk only.")
def backup(folder: Path, link: bool) -> None:
    """Write both databases, the lake and the settings into FOLDER, which must not exist yet.

    It is safe while the system runs: the backup is a snapshot of one moment. Secrets are not in it; keep those
    separately. Of a lake in an object store, the backup holds the address and the hash of every part, no copy. While
    the backup is written, its folder is FOLDER.unfinished. Exit code 1: nothing was backed up.

    \b
    election-metrics backup /backups/2026-09-21
    """
    from election_metrics.commands.backup import run_backup

    run_backup(console, folder, link=link)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--check", is_flag=True, help="Read the backup and say whether it is complete; restore nothing.")
def restore(folder: Path, check: bool) -> None:
    """Restore the backup in FOLDER into an empty HOME and database.

    These are ELECTION_METRICS_HOME and, if it is set, ELECTION_METRICS_DATABASE_URL. Every file is checked against its
    hash before, and every table against its figures after. Roles and privileges are created again.

    \b
    election-metrics restore --check /backups/2026-09-21
    ELECTION_METRICS_HOME=/srv/election-metrics election-metrics restore /backups/2026-09-21
    """
    from election_metrics.commands.backup import run_check, run_restore

    (run_check if check else run_restore)(console, folder)


@main.command(name="publish-tables")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--compact", is_flag=True, help="Number the contracts, instead of repeating their ids in every row.")
def publish_tables(out: Path, compact: bool) -> None:
    """Write the five tables that observers exchange into the zip OUT, which must not exist yet.

    elections.csv, results.csv, ballots.csv (a row a bulletin, with its precinct), votes.csv (a row an accepted vote)
    and voter_list_events.csv, from all that landed; times are Moscow time. It streams, is safe while the system runs,
    and writes the same bytes again as long as nothing lands. Exit code 1: nothing was written.

    \b
    election-metrics publish-tables deg2026.zip
    election-metrics publish-tables deg2026-compact.zip --compact
    """
    from election_metrics.commands.publish import run_publish_tables

    run_publish_tables(console, out, compact=compact)


@main.command()
@click.argument("election")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--licence",
    type=click.Choice(list(LICENCES)),
    default="CC-BY-4.0",
    show_default=True,
    help="Licence of the figures.",
)
@click.option("--publisher", help="Who publishes them, for the citation.  [default: your user name]")
@click.option("--url", help="Where the package will be, for the citation.")
@click.option(
    "--sign",
    "key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Sign it with this Ed25519 key (PEM); its passphrase is in ELECTION_METRICS_KEY_PASSPHRASE.",
)
def publish(
    election: str, folder: Path, licence: str, publisher: str | None, url: str | None, key: Path | None
) -> None:
    """Publish an ELECTION: a page and a data package in FOLDER, which must not exist yet.

    FOLDER needs no server: its index.html opens from a disk and from any web server. It holds every table as CSV and
    Parquet, the corrections, the list of source files with their SHA-256, and what to type to check it. It shows what
    is known now; the history keeps that for as long as the warehouse exists. Publishing the same figures again writes
    the same bytes. It is safe while the system runs. Exit code 1: nothing was published.

    \b
    election-metrics publish vybory-3f9a2c ~/vybory-2026
    openssl genpkey -algorithm ed25519 -out key.pem
    election-metrics publish vybory-3f9a2c ~/vybory-2026 --publisher "Observers' Union" --sign key.pem
    """
    from election_metrics.commands.publish import run_publish

    run_publish(console, election, folder, licence=licence, publisher=publisher, url=url, key=key)


@main.command()
@click.argument("package", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Public key (PEM) of the publisher, who must have signed it.",
)
@click.option(
    "--against",
    "exports",
    type=click.Path(path_type=Path, exists=True),
    help="Folder of the export files: compare their bytes, and count every hour again from nothing.",
)
def verify(package: Path, key: Path | None, exports: Path | None) -> None:
    """Check a PACKAGE that `publish` wrote: hashes, keys, sums, every figure that follows from the hours, the page.

    It needs no database and no settings; --against works in a folder below TMPDIR, and removes it. Exit code 1:
    something differs; the first files and figures are named.

    \b
    election-metrics verify ~/vybory-2026
    election-metrics verify ~/vybory-2026 --key publisher.pem
    election-metrics verify ~/vybory-2026 --against ~/exports
    """
    from election_metrics.commands.verify import run_verify

    sys.exit(run_verify(_output(), console, package, key, exports))


@main.command()
@click.option("--dry-run", is_flag=True, help="Print what would be removed; remove nothing.")
def maintain(dry_run: bool) -> None:
    """Prune Dagster's records, merge the parts of closed hours, remove unreferenced files of the lake.

    `election-metrics up` does so every hour. Records that trace a figure to its run are kept, and so are failed runs.
    """
    from election_metrics.commands.reports import print_maintenance
    from election_metrics.settings import settings

    print_maintenance(_output(), settings(), dry_run=dry_run)


@main.command()
@_AS_OF
def summary(as_of: datetime | None) -> None:
    """Print each election in a few lines: turnout, gap, coverage, freshness.

    \b
    election-metrics summary
    election-metrics summary --as-of 2026-09-18T14:00Z
    """
    from election_metrics.commands.reports import print_summary
    from election_metrics.settings import settings

    print_summary(_output(), settings(), as_of)


@main.group()
def anomalies() -> None:
    """List, explain and settle findings.

    \b
    election-metrics anomalies list
    election-metrics anomalies show spike-3f9a2c1b
    election-metrics anomalies acknowledge spike-3f9a2c1b --note "asked the commission"
    """


@anomalies.command("list")
@click.option("--election", help="Only of this election_id.")
@click.option("--constituency", help="Only of this constituency_id.")
@click.option("--rule", help="Only of this rule; `anomalies rules` names them.")
@click.option("--severity", type=click.Choice(["critical", "warning", "info"]), help="Only of this severity.")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
def list_findings(
    election: str | None, constituency: str | None, rule: str | None, severity: str | None, everything: bool
) -> None:
    """List findings, worst and newest first, times in the constituency's zone."""
    from election_metrics.commands.anomalies import print_list
    from election_metrics.settings import settings

    wanted = {"election_id": election, "constituency_id": constituency, "rule": rule, "severity": severity}
    print_list(_output(), settings(), wanted, everything=everything)


@anomalies.command()
@click.argument("anomaly_id")
def show(anomaly_id: str) -> None:
    """Explain one finding: figures, rule, thresholds, state."""
    from election_metrics.commands.anomalies import print_one
    from election_metrics.settings import settings

    print_one(_output(), settings(), anomaly_id)


@anomalies.command()
@click.option("--election", help="Show the thresholds that are set for this election_id, too.")
def rules(election: str | None) -> None:
    """Explain every rule and its thresholds."""
    from election_metrics.commands.anomalies import print_rules
    from election_metrics.settings import settings

    print_rules(_output(), settings(), election)


_BY = click.option("--by", default=getpass.getuser, show_default="your user name", help="Name for the audit log.")


def _settle(name: str, state: str, sentence: str) -> None:
    @anomalies.command(name, help=sentence)
    @click.argument("anomaly_id")
    @click.option("--note", help="Why; kept with the finding.")
    @_BY
    def settle(anomaly_id: str, note: str | None, by: str) -> None:
        from election_metrics.pipeline.overrides import set_state
        from election_metrics.settings import settings

        set_state(settings(), anomaly_id, state, by, note)
        console.print(f"{anomaly_id} is {state}.")


_settle("acknowledge", "acknowledged", "Mark a finding as being looked into; it stays until it is resolved.")
_settle("resolve", "resolved", "Settle a finding for good: recomputing does not open it again.")
_settle("reopen", "open", "Open a finding again.")


@anomalies.command()
@click.argument("rule")
@click.argument("name")
@click.argument("value", type=float, required=False)
@click.option("--election", required=True, help="The election_id it is for.")
@_BY
def threshold(rule: str, name: str, value: float | None, election: str, by: str) -> None:
    """Set threshold NAME of RULE for one election; without VALUE, restore the default.

    It applies from the next run on, which starts within seconds while the daemon is on.

    \b
    election-metrics anomalies threshold spike ratio 4 --election vybory-3f9a2c
    """
    from election_metrics.pipeline.overrides import set_threshold
    from election_metrics.settings import settings

    set_threshold(settings(), election, rule, name, value, by)
    console.print(f"{rule}.{name} is {'its default' if value is None else f'{value:g}'} for {election}.")


@main.group()
def token() -> None:
    """Create, list and revoke tokens for the API and the page.

    On this machine, reading needs no token. From any other address it does, and every change needs one.

    \b
    election-metrics token create newsroom --scope read
    election-metrics token create anna --scope operate
    election-metrics token revoke newsroom
    """


@token.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", type=click.Choice(["read", "operate"]), multiple=True, default=["read"], show_default=True,
    help="Permissions: read; or operate: read, change overrides, request runs, see the audit log.",
)  # fmt: skip
@_BY
def create_token(name: str, scopes: tuple[str, ...], by: str) -> None:
    """Create a token for NAME and print it once: only its hash is stored."""
    from election_metrics.api.tokens import create_token as create
    from election_metrics.settings import settings

    made = create(settings(), name, scopes, by)
    console.print(f"The token of {name} may {' and '.join(scopes)}. It is shown only once:")
    click.echo(made)


@token.command("list")
def list_tokens() -> None:
    """List the tokens' names and scopes."""
    from election_metrics.api.tokens import read_tokens
    from election_metrics.settings import settings

    known = read_tokens(settings().tokens_path)
    for one in known:
        click.echo(f"{one.name}  {' '.join(one.scopes)}  since {one.created_at}")
    if not known:
        console.print("There is no token yet; type: election-metrics token create NAME --scope read")


@token.command("revoke")
@click.argument("name")
@_BY
def revoke(name: str, by: str) -> None:
    """Revoke the token of NAME, effective at once."""
    from election_metrics.api.tokens import revoke_token
    from election_metrics.settings import settings

    revoke_token(settings(), name, by)
    console.print(f"The token of {name} is revoked.")


@main.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--verifier", default="verifier", show_default=True, help="Who found these ballots invalid.")
@click.option("--remove", is_flag=True, help="Take back the list of this verifier.")
@_BY
def verdicts(file: Path | None, verifier: str, by: str, *, remove: bool) -> None:
    """Take in a verifier's list of invalid ballots; without FILE, show the lists.

    FILE is a JSON object of transaction ids and reasons: {"6rTqW…": "the proof is wrong"}. A later list of the same
    verifier replaces the earlier one. What the chain accepted stays counted; the page, the view metrics.verdicts and
    the finding votes_found_invalid say how many of the votes that count were found invalid. Ids that are not known
    here are named, and found once they land.

    \b
    election-metrics verdicts invalid.json --verifier "Observers of the vote"
    election-metrics verdicts --verifier "Observers of the vote" --remove
    """
    from election_metrics.commands.verdicts import run_lists, run_remove, run_verdicts
    from election_metrics.settings import settings

    if remove:
        run_remove(console, settings(), verifier, by)
    elif file is None:
        run_lists(_output(), settings())
    else:
        sys.exit(run_verdicts(console, settings(), file, verifier, by))


@main.command()
@click.argument("target")
@click.option(
    "--because", metavar="REASON", help="Why; shown on the page and in the tables. Without it, nothing is changed."
)
@click.option("--undo", is_flag=True, help="Restore what was withdrawn: the files land again where they exist.")
@_BY
def withdraw(target: str, because: str | None, by: str, *, undo: bool) -> None:
    """Take back everything that wrong files brought, from every table.

    TARGET is the path of a file, a folder, or a member of an archive; the first digits of a content_hash; an
    election_id; or a constituency_id. Without --because the command shows what it would take back, and changes nothing.

    The same bytes do not land again under any name until they are restored by --undo. A corrected file lands as usual.
    The page and the view input_notes show what was withdrawn, when and why; the audit log shows by whom.

    \b
    election-metrics withdraw ~/exports/wrong.zip
    election-metrics withdraw ~/exports/wrong.zip --because "test data, sent by mistake"
    election-metrics withdraw ~/exports/wrong.zip --undo
    """
    from election_metrics.commands.withdrawal import run_undo, run_withdraw
    from election_metrics.settings import settings

    if undo:
        run_undo(console, settings(), target, by)
    else:
        run_withdraw(console, settings(), target, because, by)


@main.command()
@click.argument("constituencies", nargs=-1, required=True)
@click.option("--from", "first", type=HOUR, help="First hour, UTC; default: from the beginning.")
@click.option("--to", "last", type=HOUR, help="Last hour, inclusive; default: to the end.")
def compare(constituencies: tuple[str, ...], first: datetime | None, last: datetime | None) -> None:
    """Compare CONSTITUENCIES over a range of hours, most votes first."""
    from election_metrics.commands.anomalies import print_comparison
    from election_metrics.settings import settings

    print_comparison(_output(), settings(), constituencies, first, last)


@main.command()
@click.argument("table")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "json", "parquet", "xlsx"]),
    default="csv",
    show_default=True,
    help="File format.",
)
@click.option("--election", help="Only rows of this election_id.")
@click.option("--constituency", help="Only rows of this constituency_id.")
@click.option("--bom", is_flag=True, help="Begin a CSV with a byte order mark, by which Excel knows that it is UTF-8.")
@_AS_OF
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: standard output.")
def export(
    table: str,
    kind: str,
    election: str | None,
    constituency: str | None,
    as_of: datetime | None,
    *,
    bom: bool,
    out: Path | None,
) -> None:
    """Write a TABLE or view as CSV, JSON, Parquet or a workbook: exactly its columns.

    Times are in ISO 8601 with Z, in a workbook they are times (UTC); NULL is empty.

    \b
    election-metrics export hourly_stats > hourly_stats.csv
    election-metrics export hourly_stats --format xlsx --out hourly_stats.xlsx
    election-metrics export constituency_metrics --format parquet --out metrics.parquet
    election-metrics export election_summaries --as-of 2026-09-18T14:00Z
    election-metrics export conflicting_transactions > lost_rows.csv
    """
    from election_metrics.settings import settings
    from election_metrics.warehouse.export import export_table

    with _written(out) if out is not None else contextlib.nullcontext(sys.stdout.buffer) as file:
        export_table(settings(), table, kind, file, election=election, constituency=constituency, bom=bom, as_of=as_of)


@main.command()
@click.option("--election", metavar="ID", help="Only ids that have a row in this election.")
def conflicts(election: str | None) -> None:
    """Show transaction ids whose rows differ.

    An id is unique on the chain. If it occurs in two contracts, at two times or with two contents, one row counts
    (the earliest; then by contract, kind, call, quantity, sender and failure) and the others are lost. The files show
    whether an export is in the wrong folder, or was made twice.
    """
    from election_metrics.commands.reports import print_conflicts
    from election_metrics.settings import settings

    print_conflicts(_output(), settings(), election)


@main.command()
def status() -> None:
    """Print what landed, what is behind, and what could not be read.

    While PostgreSQL does not answer, it prints the last known state, and its exit code is 4.
    """
    from election_metrics.commands.status import print_status
    from election_metrics.settings import settings

    code = print_status(_output(), settings())
    if code:
        sys.exit(code)


@main.command()
@click.option("--to", "revision", default="head", show_default=True, help="Revision, or `base` to drop every table.")
@click.option("--yes", is_flag=True, help="Do not ask before dropping tables.")
def migrate(revision: str, yes: bool) -> None:
    """Create or update the tables of the warehouse."""
    from election_metrics.settings import settings
    from election_metrics.warehouse.migrate import migrate as move

    if revision != "head" and not yes:
        click.confirm(f"Moving to {revision!r} may drop tables and their rows. Go on?", abort=True)
    before, after = move(settings(), revision, lambda sentence: console.print(sentence, markup=False, soft_wrap=True))
    console.print(f"The warehouse was at {before or 'nothing'} and is now at {after or 'nothing'}.")


@main.command()
@click.argument("series", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the exports.")
@click.option("--scale", default=1.0, show_default=True, help="Factor for all counts.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed gives the same bytes."
)
@click.option("--region", default="77 - город Москва", show_default=True, help="Region of rows that name none.")
@click.option("--zip", "zipped", is_flag=True, help="Write every file as a zip.")
@click.option("--faults", is_flag=True, help="Add the faults of real data.")
@click.option(
    "--blocks",
    metavar="FORM",
    help="Write dumps of the chain's blocks instead, 7 shards: as a folder, gzip-folder, file, zip, gzip or tar.",
)
def replay(
    series: Path, out: Path, scale: float, seed: int, region: str, zipped: bool, faults: bool, blocks: str | None
) -> None:
    """Turn a turnout SERIES into portal exports, with the figures that must come out of them.

    SERIES is a CSV with bucket_start, bulletins_issued and votes_cast, and optionally constituency, name, election,
    registered_voters, region and time_zone. The rows of a constituency are contiguous and in order of time;
    bucket_start is in ISO 8601, and without an offset in the row's time_zone (default Europe/Moscow). An invalid
    series is refused, naming the line, before anything is written. Beside the exports, expected.json holds the rows of
    hourly_stats that a correct pipeline gives. --faults adds failed, rejected and unknown calls, re-votes, rollbacks
    before and after their transaction, repeated lines, overlapping files, late rows and garbage; none of these changes
    the bulletins issued and the votes cast. --blocks writes the same transactions as observers publish the chain: a
    block a line.
    """
    from election_metrics.commands.replay import run_replay

    run_replay(console, series, out, scale=scale, seed=seed, region=region, zipped=zipped, faults=faults, blocks=blocks)


@main.command("db-url")
@click.option("--dagster", "of_dagster", is_flag=True, help="The URL of Dagster's database instead.")
def db_url(of_dagster: bool) -> None:
    """Print the URL of the warehouse for psql: psql "$(election-metrics db-url)".

    The embedded server stops with the last election-metrics command; this command leaves it running until its terminal
    closes.
    """
    from election_metrics.settings import settings
    from election_metrics.warehouse.server import dagster_url, keep_running, plain_url, warehouse_url

    chosen = settings()
    if of_dagster:
        click.echo(dagster_url(chosen).render_as_string(hide_password=False))
    else:
        click.echo(plain_url(warehouse_url(chosen)))
    keep_running()
