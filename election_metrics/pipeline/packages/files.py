"""The files of a data package: their names, their formats, their checksums."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from election_metrics.digest import sha256_of
from election_metrics.lake.reading import quoted
from election_metrics.pipeline.new_folder import LOCK

DESCRIPTOR, CHECKSUMS, SIGNATURE, SIGNER = "datapackage.json", "SHA256SUMS", "SHA256SUMS.sig", "signer.pem"
DATA = "data"
SUMS = """\
CREATE VIEW said AS FROM 'data/election_summaries.parquet';
SELECT 'hours' AS of, sum(h.votes_cast) AS votes, sum(h.votes_cast) = any_value(said.votes_cast) AS holds,
    sum(h.bulletins_issued) = any_value(said.bulletins_issued) AS bulletins_hold
FROM 'data/hourly_stats.parquet' AS h, said
UNION ALL SELECT 'days', sum(d.votes_cast), sum(d.votes_cast) = any_value(said.votes_cast),
    sum(d.bulletins_issued) = any_value(said.bulletins_issued)
FROM 'data/constituency_metrics.parquet' AS d, said WHERE d.period = 'day'
UNION ALL SELECT 'regions', sum(r.votes_cast), sum(r.votes_cast) = any_value(said.votes_cast),
    sum(r.bulletins_issued) = any_value(said.bulletins_issued) FROM 'data/region_summaries.parquet' AS r, said;
"""
"""The totals, checked by DuckDB alone."""


def parquet_of(folder: Path, name: str) -> Path:
    """The Parquet file of a table in the package."""
    return folder / DATA / f"{name}.parquet"


def csv_of(folder: Path, name: str) -> Path:
    """The CSV file of a table in the package."""
    return folder / DATA / f"{name}.csv"


def write_csv(engine: duckdb.DuckDBPyConnection, parquet: Path, csv: Path) -> None:
    """Writes the rows of a Parquet file as CSV: times in ISO 8601 with Z, lists in JSON, NULL empty.

    Text that a spreadsheet would take for a formula begins with a '.
    """
    columns = ", ".join(_as_text(field) for field in pq.read_schema(parquet))
    query = f"SELECT {columns} FROM read_parquet({quoted(str(parquet))})"  # noqa: S608 names of our columns
    engine.execute(f"COPY ({query}) TO {quoted(str(csv))} (FORMAT csv, HEADER true)")


def _as_text(field: pa.Field) -> str:
    name = f'"{field.name}"'
    if pa.types.is_timestamp(field.type):
        text = f"strftime(make_timestamp(epoch_us({name})), '%Y-%m-%dT%H:%M:%S.%f')"
        text = rf"regexp_replace({text}, '\.0+$|(\.[0-9]*[1-9])0+$', '\1')"
        zone = " || 'Z'" if field.type.tz else ""
        return f"{text}{zone} AS {name}"
    if pa.types.is_list(field.type):
        return f"to_json({name}) AS {name}"
    if pa.types.is_string(field.type):
        return rf"CASE WHEN regexp_matches({name}, '^[=+@\t\r-]') THEN '''' || {name} ELSE {name} END AS {name}"
    return name


def files_below(folder: Path) -> Iterator[str]:
    """Every file of a package, as it is named in the checksums, in order; not the checksums and their signature."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    yield from (name for name in names if name not in (CHECKSUMS, SIGNATURE))


def write_checksums(folder: Path) -> str:
    """Writes the SHA-256 of every file, in the format of sha256sum; returns that of the checksums themselves."""
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in files_below(folder) if name != LOCK]
    (folder / CHECKSUMS).write_text("".join(lines), "utf-8")
    return sha256_of(folder / CHECKSUMS)
