"""Writes an election as a data package: as of one commit, the same bytes each time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from election_metrics.errors import DataError
from election_metrics.pipeline.new_folder import new_folder
from election_metrics.pipeline.packages.contents import Contents, contents_of
from election_metrics.pipeline.packages.descriptor import Edition, write_descriptor
from election_metrics.pipeline.packages.files import (
    CHECKSUMS,
    DATA,
    SIGNATURE,
    SIGNER,
    csv_of,
    parquet_of,
    write_checksums,
    write_csv,
)
from election_metrics.pipeline.packages.signing import public_pem
from election_metrics.pipeline.packages.texts import write_texts
from election_metrics.pipeline.progress import Progress
from election_metrics.pipeline.publication import check_elections
from election_metrics.settings import Settings
from election_metrics.warehouse import packages
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.export import write_parquet
from election_metrics.warehouse.tables import elections

Pages = Callable[[sa.Connection, Edition, Path], None]
"""Writes the pages of a package: given a connection in a snapshot, and the folder."""


@dataclass(frozen=True)
class Wanted:
    """What people choose of a package: see `Edition`; `key` signs it."""

    licence: str
    publisher: str
    url: str | None = None
    key: Ed25519PrivateKey | None = None


@dataclass(frozen=True)
class Package:
    """A package that was written.

    Attributes:
        edition: what it says of itself.
        files: number of its files.
        bytes: their size.
        sha256: of its checksums.
        notes: what its reader must know of the figures, in sentences.
        earlier: number of different packages of the election before.
    """

    edition: Edition
    files: int
    bytes: int
    sha256: str
    notes: Sequence[str]
    earlier: int


def write_package(
    settings: Settings, election: str, folder: Path, wanted: Wanted, pages: Pages, progress: Progress
) -> Package:
    """Writes a package into a new folder, which gets its name only when the package is complete.

    Args:
        settings: the settings.
        election: the election_id.
        folder: the folder to create.
        wanted: licence, publisher, address, and the key to sign with.
        pages: writes its pages.
        progress: takes a label and a unit, and returns a function of (done, total).

    Raises:
        ElectionMetricsError: there is no such election, or its figures are behind what landed.
        SettingsError: the folder exists, or cannot be written.
    """
    with new_folder(folder, "package", "nothing was published", is_private=False) as (work, _):
        with transaction(settings, snapshot=True) as connection:
            check_elections(connection, [election])
            name = connection.execute(sa.select(elections.c.name).filter_by(election_id=election)).scalar_one()
            _refuse_behind(connection, election)
            before = packages.of_election(connection, election)
            shown = packages.newest(connection, election)
            assert shown is not None  # the election's row has a commit
            edition = Edition(
                election,
                name,
                shown.at,
                wanted.licence,
                wanted.publisher,
                wanted.url,
                wanted.key is not None,
                settings.first_hour,
            )
            contents = contents_of(connection)
            _write_data(connection, election, contents, work, progress)
            notes = list(_notes(connection, election))
            pages(connection, edition, work)
        write_descriptor(work, edition, contents)
        write_texts(work, edition, contents, notes)
        sha256 = _seal(work, wanted)
        files = [path for path in work.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        with transaction(settings) as connection:
            packages.record(connection, sha256, election, shown, datetime.now(UTC), signed=edition.is_signed)
    earlier = sum(one["sha256"] != sha256 for one in before)
    return Package(edition, len(files) - 1, size, sha256, notes, earlier)


def _refuse_behind(connection: sa.Connection, election: str) -> None:
    """Refuses figures that are behind what landed.

    Raises:
        DataError: hours of the election, or what follows from them, wait to be computed.
    """
    hours, is_behind = connection.execute(_BEHIND, {"election": election}).one()
    if hours or is_behind:
        what = f"{hours} hour(s) of it wait" if hours else "its metrics wait"
        raise DataError(
            f"{election} is not published: {what} to be computed. Let `up` compute them, or type: election-metrics "
            "ingest SOURCE; then publish again"
        )


_BEHIND = sa.text(
    """
    WITH place AS (
        SELECT constituency_id FROM ingest.constituency_registry WHERE election_id = :election
    ), waiting AS (
        SELECT hour_number FROM ingest.hour_versions WHERE landed_version > computed_version
    )
    SELECT
        (SELECT count(*) FROM waiting WHERE EXISTS (
            SELECT 1 FROM metrics.hourly_stats AS stat
            WHERE stat.election_id = :election AND stat.hour = to_timestamp(waiting.hour_number * 3600)
        ) OR EXISTS (
            SELECT 1 FROM ingest.content_hours AS part
            JOIN ingest.transaction_files AS file USING (content_id)
            WHERE part.hour_number = waiting.hour_number AND file.status = 'landed'
                AND file.constituency_id IN (SELECT constituency_id FROM place)
        ) OR EXISTS (
            SELECT 1 FROM ingest.content_hours AS part
            JOIN ingest.table_places AS file USING (content_id)
            WHERE part.hour_number = waiting.hour_number
                AND file.constituency_id IN (SELECT constituency_id FROM place)
        )),
        coalesce((
            SELECT hourly_version > metrics_version FROM ingest.election_versions WHERE election_id = :election
        ), false)
    """
)


def _write_data(
    connection: sa.Connection, election: str, contents: Sequence[Contents], work: Path, progress: Progress
) -> None:
    (work / DATA).mkdir()
    report = progress("Tables", "tables")
    with duckdb.connect() as engine:
        for done, one in enumerate(contents):
            report(done, len(contents))
            with parquet_of(work, one.name).open("wb") as file:
                write_parquet(connection, one.query, {"election_id": election}, one.schema, file)
            write_csv(engine, parquet_of(work, one.name), csv_of(work, one.name))
    report(len(contents), len(contents))


def _notes(connection: sa.Connection, election: str) -> list[str]:
    """What a reader must know of the figures: whether voting is over, coverage, findings, the final count."""
    row = connection.execute(_STATE, {"election": election}).mappings().one()
    notes = []
    if row["status"] != "completed":
        notes.append("Voting was not known to be over: the figures are preliminary.")
    if row["coverage"] is None:
        notes.append("It is not known which hours of voting should have arrived.")
    elif row["coverage"] < 100:
        missing = row["hours_expected"] - row["hours_delivered"]
        notes.append(f"Input is missing: {missing:,} of {row['hours_expected']:,} hours of constituencies.")
    if row["rejected_lines"]:
        notes.append(f"{row['rejected_lines']:,} line(s) could not be read, and are not counted (data/quarantine.csv).")
    if row["withdrawn"]:
        notes.append(f"{row['withdrawn']:,} file(s) were withdrawn by people, and are not counted (data/sources.csv).")
    if row["critical"] or row["warnings"]:
        notes.append(f"{row['critical']:,} critical finding(s) and {row['warnings']:,} warning(s) are not resolved.")
    if row["rows_differing"] is None and row["status"] == "completed":
        notes.append("The hours were not counted again after voting was over.")
    elif row["rows_differing"]:
        notes.append(f"When the hours were counted again, {row['rows_differing']:,} row(s) differed.")
    if row["without_sum"]:
        notes.append(f"{row['without_sum']:,} file(s) landed before SHA-256 was recorded; data/sources.csv has no sum.")
    return notes


_STATE = sa.text(
    """
    SELECT election.status, summary.coverage, summary.hours_expected, summary.hours_delivered,
        summary.rejected_lines, summary.anomalies_critical AS critical, summary.anomalies_warning AS warnings,
        CASE WHEN again.computed_at >= summary.computed_at OR again.votes_cast = summary.votes_cast
            AND again.bulletins_issued = summary.bulletins_issued AND again.transactions = summary.transaction_count
        THEN again.rows_differing END AS rows_differing,
        files.without_sum, files.withdrawn
    FROM metrics.elections AS election
    JOIN metrics.election_summaries AS summary USING (election_id)
    LEFT JOIN metrics.reconciliations AS again USING (election_id)
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE file.status = 'landed' AND file.sha256 IS NULL) AS without_sum,
            count(*) FILTER (WHERE file.status = 'withdrawn') AS withdrawn
        FROM ingest.transaction_files AS file JOIN metrics.constituencies AS place USING (constituency_id)
        WHERE place.election_id = election.election_id
    ) AS files
    WHERE election.election_id = :election
    """
)


def _seal(work: Path, wanted: Wanted) -> str:
    """Writes the checksums, and signs them; returns their SHA-256."""
    if wanted.key is None:
        return write_checksums(work)
    (work / SIGNER).write_bytes(public_pem(wanted.key))
    sha256 = write_checksums(work)
    (work / SIGNATURE).write_bytes(wanted.key.sign((work / CHECKSUMS).read_bytes()))
    return sha256
