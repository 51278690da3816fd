"""`publish`: an election as a data package with a page. `publish-tables`: the tables that observers exchange."""

import getpass
import os
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console

from election_metrics.api.published import write_pages
from election_metrics.commands.markup import shown
from election_metrics.commands.progress import bars
from election_metrics.pipeline.observer_tables import write_tables
from election_metrics.pipeline.packages.descriptor import Edition
from election_metrics.pipeline.packages.files import SIGNER
from election_metrics.pipeline.packages.signing import read_key
from election_metrics.pipeline.packages.writing import Wanted, write_package
from election_metrics.settings import Settings, settings

PASSPHRASE = "ELECTION_METRICS_KEY_PASSPHRASE"  # noqa: S105 the name of the variable


def run_publish(
    console: Console,
    election: str,
    folder: Path,
    *,
    licence: str,
    publisher: str | None,
    url: str | None,
    key: Path | None,
    chosen: Settings | None = None,
) -> None:
    """Writes the package and prints what is in it, and how to look at it and check it.

    Raises:
        ElectionMetricsError: there is no such election, its figures are behind, or the folder exists.
    """
    chosen = chosen or settings()
    folder = folder.expanduser().absolute()
    wanted = Wanted(
        licence, publisher or getpass.getuser(), url, None if key is None else read_key(key, os.environ.get(PASSPHRASE))
    )
    with bars(console) as progress:

        def pages(connection: sa.Connection, edition: Edition, work: Path) -> None:
            write_pages(chosen, connection, edition, work, progress.of)

        package = write_package(chosen, election, folder, wanted, pages, progress.of)
    edition = package.edition
    console.print(
        f"{shown(edition.name)}, as known at {edition.known_at:%Y-%m-%d %H:%M:%S} UTC: {package.files:,} files "
        f"({package.bytes / 2**20:,.1f} MiB) are in {shown(folder)}.",
        soft_wrap=True,
    )
    for note in package.notes:
        console.print(f"  {note}", soft_wrap=True)
    signed = f"signed; the public key is {SIGNER}" if edition.is_signed else "not signed (--sign KEY.pem)"
    whose = "--publisher" if publisher else "your user name, which the page and the citation show; --publisher NAME"
    console.print(
        f"Licence {edition.licence} (--licence), publisher {shown(edition.publisher)} ({whose}), {signed}.\n"
        f"SHA-256 of its SHA256SUMS: {package.sha256}",
        soft_wrap=True,
    )
    if package.earlier:
        console.print(
            f"{package.earlier} other edition(s) of it were published before; the history keeps what they show."
        )
    console.print(
        f"To look at it, open {shown(folder / 'index.html')} in a browser.\n"
        f"To check it: election-metrics verify {shown(folder)}",
        soft_wrap=True,
    )


def run_publish_tables(console: Console, out: Path, *, compact: bool, chosen: Settings | None = None) -> None:
    """Writes the tables and prints how many rows they have, and whether their sums are those of the figures.

    Raises:
        ElectionMetricsError: nothing has landed, the file exists, or a contract is not computed yet.
    """
    out = out.expanduser().absolute()
    with bars(console) as progress:
        written = write_tables(
            chosen or settings(), out, datetime.now(UTC), compact=compact, progress=progress.of("Writing", "hours")
        )
    for name, rows in written.rows.items():
        console.print(f"{rows:>12,}  {name}")
    console.print(f"{written.bytes / 2**20:>12,.1f}  MiB: {shown(out)}", soft_wrap=True)
    if (written.rows["ballots.csv"], written.rows["votes.csv"]) == (written.bulletins, written.votes):
        console.print("As many bulletins and accepted votes as in hourly_stats.")
    else:
        console.print(
            f"hourly_stats has {written.bulletins:,} bulletins and {written.votes:,} accepted votes: "
            f"{written.behind:,} hour(s) have landed that are not computed yet.",
            soft_wrap=True,
        )
