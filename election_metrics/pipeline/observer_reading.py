"""Reads the tables that observers exchange: of every contract, an export with as many calls, as the portal has it.

They have counts and no transactions, so the ids of the calls are made from what a row says, and from how many rows say
the same: a later archive of the same vote gives the same ids.
"""

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path, PurePosixPath

import duckdb
import pandas as pd
import pyarrow as pa

from election_metrics.digest import sha256_of
from election_metrics.lake.contract_files import append_calls
from election_metrics.lake.duck import put_table
from election_metrics.lake.engine import nothing_of, sql
from election_metrics.lake.reading import quoted
from election_metrics.lake.text_lines import count_lines, end_lines_alike
from election_metrics.sanitize import visible
from election_metrics.sources.archives import NotUnpacked, unpack
from election_metrics.sources.export_path import CONTRACT_ID, ExportPath
from election_metrics.sources.names import canonical_folder, known_region
from election_metrics.sources.observer_archives import ELECTIONS, TABLES

_LISTS = ("voter_list_events.csv", "lists.csv")
_NEEDED = {
    ELECTIONS: ("region", "election", "district"), "ballots.csv": ("uik", "timestamp"), "votes.csv": ("timestamp",),
    **dict.fromkeys(_LISTS, ("uik", "timestamp", "count", "type")), "results.csv": ("results",), "uiks.csv": ("uik",),
}  # fmt: skip
_VOTERS = ("voters", "count", "voters_count", "voterscount", "registered_voters")
"""What the column of `uiks.csv` with the voters may be called; else it is the only further one."""
_ROWS_AT_ONCE = 100_000
_ARRAY = re.compile(r"[\[{]\s*(?:\d{1,12}\s*(?:,\s*\d{1,12}\s*)*)?[\]}]")
_LONGEST_CELL = 1_000_000
_MOST_PROBLEMS = 1_000


@dataclass
class Tables:
    """What an archive of tables holds.

    Attributes:
        exports: the file of each contract with calls.
        places: what `elections.csv` says of each contract, by id.
        problems: what cannot be read: where, and why.
        sha256: of the archive.
    """

    exports: dict[str, Path] = field(default_factory=dict)
    places: dict[str, ExportPath] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)
    sha256: str = ""

    def tell(self, where: str, reason: str) -> None:
        """Adds what cannot be read; of very many, the last entry says so."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append((where, reason))
        elif len(self.problems) == _MOST_PROBLEMS:
            self.problems.append(("further rows", "more cannot be read"))


def read_tables(connection: duckdb.DuckDBPyConnection, archive: Path, folder: Path) -> Tables:
    """Reads the tables and writes the exports of their contracts below `folder`.

    Args:
        connection: of the engine in this process.
        archive: the zip.
        folder: an empty folder.

    Raises:
        OSError: the zip cannot be read, or an export cannot be written.
    """
    csv.field_size_limit(_LONGEST_CELL)
    found = Tables(sha256=sha256_of(archive))
    members = folder / "members"
    members.mkdir()
    unpacked: dict[str, Path] = {}
    for member in unpack(archive, archive.name, members):
        table = PurePosixPath(member.name).name.lower()
        if isinstance(member, NotUnpacked):
            found.tell(member.name or "the archive", member.reason)
        elif table in TABLES and table not in unpacked:
            unpacked[table] = member.file.rename(folder / f"table-{table}")
            end_lines_alike(unpacked[table])
        else:
            found.tell(member.name, "this is none of the tables that observers exchange, or is here twice")
    if ELECTIONS not in unpacked:
        return found
    if all(name in unpacked for name in _LISTS):
        found.tell(_LISTS[1], f"the archive has {_LISTS[0]} too, which says the same; this one is not read")
        unpacked.pop(_LISTS[1]).unlink()
    columns = {name: _columns(file) for name, file in unpacked.items()}
    keys = _read_contracts(unpacked[ELECTIONS], columns[ELECTIONS], found)
    contracts = pd.DataFrame(keys.items(), columns=["contract_key", "contract"])
    put_table(connection, "observed_contracts", contracts, {"contract_key": "VARCHAR", "contract": "VARCHAR"})
    _stage(connection, unpacked, columns, found)
    _write(connection, folder, found)
    for name in ("results.csv", "uiks.csv"):
        if name in unpacked:
            _append_small(connection, name, unpacked[name], columns[name], keys, found)
    connection.execute("DROP TABLE observed_rows")
    for file in unpacked.values():
        file.unlink()
    return found


def _columns(file: Path) -> list[str]:
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as text, suppress(csv.Error):
        return [name.strip().lower() for name in next(csv.reader(text), [])]
    return []


def _rows(file: Path, name: str, columns: Sequence[str], found: Tables) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each row of a small table is, and what it says by column; blank rows are left out."""
    try:
        file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        found.tell(name, f"it is not UTF-8 (byte {error.start + 1}); its letters are shown as \ufffd")
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        reader = csv.reader(text)
        next(reader, None)
        number = 0
        try:
            for number, cells in enumerate(reader, start=1):
                if cells:
                    yield f"{name}, row {number}", dict(zip(columns, cells, strict=False))
        except csv.Error as error:
            found.tell(f"{name}, row {number + 1}", f"from here on it cannot be read as CSV: {error}")


def _key_of(columns: Sequence[str]) -> str | None:
    return next((name for name in ("contract_no", "contract_id") if name in columns), None)


def _lacks(name: str, columns: Sequence[str]) -> str:
    """Why a table cannot be read; empty if it can."""
    lacking = [column for column in _NEEDED[name] if column not in columns]
    if _key_of(columns) is None:
        lacking = ["contract_id (or contract_no)", *lacking]
    if not lacking:
        return ""
    return f"it has no column {', '.join(lacking)}; it has: {', '.join(columns[:12]) or 'nothing'}"


def _read_contracts(file: Path, columns: Sequence[str], found: Tables) -> dict[str, str]:
    """The contract of each key that other tables use: its number, or its id."""
    if "contract_id" not in columns or (reason := _lacks(ELECTIONS, columns)):
        found.tell(ELECTIONS, reason if "contract_id" in columns else "it has no column contract_id")
        return {}
    keys: dict[str, str] = {}
    for where, row in _rows(file, ELECTIONS, columns, found):
        contract = row.get("contract_id", "").strip()
        if not CONTRACT_ID.fullmatch(contract):
            found.tell(where, f"{contract[:60]!r} is no contract id")
            continue
        key = row.get("contract_no", "").strip() if "contract_no" in columns else contract
        if keys.setdefault(key, contract) != contract or contract in found.places:
            found.tell(where, f"{key[:60]} was named before")
            continue
        keys[contract] = contract  # either form may be in the other tables
        region, election, district = (_name(row.get(name, "")) for name in ("region", "election", "district"))
        known = region and (known_region(region) or region)
        found.places[contract] = ExportPath(contract, None, known, election, district)
    return keys


def _name(text: str) -> str | None:
    """A name as a path's; None if it is not given."""
    return visible(canonical_folder(text.strip())) if text.strip() else None


def _stage(
    connection: duckdb.DuckDBPyConnection, files: Mapping[str, Path], columns: Mapping[str, list[str]], found: Tables
) -> None:
    """Fills `observed_rows` with a row for each row of the large tables: what it says, and why it cannot be read."""
    kinds: dict[str, str] = {}
    for name, kind in (("ballots.csv", "ballot"), ("votes.csv", "vote"), *((one, "list") for one in _LISTS)):
        if name not in files:
            continue
        if reason := _lacks(name, columns[name]):
            found.tell(name, reason)
        else:
            kinds[name] = kind
    _fill(connection, kinds, files, columns, set())
    # A quote that is never closed swallows the rows after it. If more can be read so, a quote is a letter like others.
    read = {name: _rows_read(connection, name) for name in kinds}
    swallowed = {name for name, (_, every) in read.items() if every < count_lines(files[name]) - 1}
    if swallowed:
        _fill(connection, kinds, files, columns, swallowed)
        kept = {name for name in swallowed if _rows_read(connection, name)[0] <= read[name][0]}
        if kept:
            _fill(connection, kinds, files, columns, swallowed - kept)
    wrong = connection.execute(
        "SELECT of_table, coalesce(reason, note) AS said, count(*), min(row_number) FROM observed_rows "
        "WHERE coalesce(reason, note) IS NOT NULL GROUP BY of_table, said ORDER BY of_table, said"
    )
    for table, reason, rows_wrong, first in wrong.fetchall():
        found.tell(f"{table}, row {first}", f"{reason} ({rows_wrong:,} row(s); this is the first)")
    rejects = connection.execute(
        """
        SELECT of_table, count(DISTINCT line), min(line), arg_min(error_message, line)
        FROM observed_refused GROUP BY of_table, error_type ORDER BY of_table, error_type
        """
    )
    for table, lines, first, message in rejects.fetchall():
        why = str(message).splitlines()[0]
        found.tell(f"{table}, line {first}", f"{why} ({lines:,} line(s); this is the first)")
    connection.execute("DROP TABLE observed_refused")


def _fill(
    connection: duckdb.DuckDBPyConnection, kinds: Mapping[str, str], files: Mapping[str, Path],
    columns: Mapping[str, list[str]], without_quotes: Collection[str],
) -> None:  # fmt: skip
    """Fills `observed_rows`, and `observed_refused` (of_table, line, error_type, error_message) with what is no row."""
    sources = []
    for name, kind in kinds.items():
        key = _key_of(columns[name])
        cells = {column: f'"{column}"' if column in _NEEDED[name] else "NULL" for column in _NEEDED[_LISTS[0]]}
        shown = ", ".join(f"trim(CAST({text} AS VARCHAR), ' \"') AS {column}" for column, text in cells.items())
        types = ", ".join(f"{quoted(column)}: 'VARCHAR'" for column in _distinct(columns[name]))
        quote = "''" if name in without_quotes else "'\"'"
        sources.append(
            f"SELECT '{name}' AS of_table, '{kind}' AS kind, trim(\"{key}\", ' \"') AS contract_key, {shown}, "  # noqa: S608 our own names
            f"row_number() OVER () AS row_number FROM read_csv({quoted(str(files[name]))}, delim = ',', "
            f"quote = {quote}, escape = {quote}, header = true, auto_detect = false, columns = {{{types}}}, "
            f"null_padding = true, parallel = false, ignore_errors = true, store_rejects = true, "
            f"rejects_table = 'observed_rejects', rejects_scan = 'observed_scans', rejects_limit = 0)"
        )
    said = ("of_table", "kind", "contract_key", "uik", "timestamp", "count", "type")
    nothing = nothing_of(", ".join([*(f"{column} STRING" for column in said), "row_number BIGINT"]))
    rows = " UNION ALL ".join([nothing, *sources])
    connection.execute("CREATE OR REPLACE TEMP TABLE observed_rows AS " + sql("observed_rows").replace("{rows}", rows))
    has_rejects = connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'observed_rejects'").fetchone()
    refused = (
        "SELECT regexp_extract(file_path, 'table-(.*)$', 1) AS of_table, line, error_type, error_message "
        "FROM observed_rejects JOIN observed_scans USING (scan_id, file_id)"
        if has_rejects
        else nothing_of("of_table STRING, line BIGINT, error_type STRING, error_message STRING")
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE observed_refused AS {refused}")
    for name in ("observed_rejects", "observed_scans") if has_rejects else ():
        connection.execute(f"DROP TABLE {name}")


def _rows_read(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int]:
    """Rows of a table that can be read, and all of its rows."""
    (counted,) = connection.execute(
        "SELECT count(*) FILTER (WHERE reason IS NULL), "
        "count(*) + (SELECT count(DISTINCT line) FROM observed_refused WHERE of_table = $table) "
        "FROM observed_rows WHERE of_table = $table",
        {"table": table},
    ).fetchall()
    return counted


def _distinct(columns: Sequence[str]) -> list[str]:
    """Column names that differ: of several of one name, or without one, the later ones are numbered."""
    names: list[str] = []
    for place, column in enumerate(columns):
        names.append(column if column and column not in names else f"{place}: {column}")
    return names


def _write(connection: duckdb.DuckDBPyConnection, folder: Path, found: Tables) -> None:
    """Writes the calls of each contract, in the order of their times."""

    def file_of(contract: str, _line: int) -> Path:
        return found.exports.setdefault(contract, folder / f"{contract}.csv")

    for batch in connection.sql(sql("observed_calls")).to_arrow_reader(_ROWS_AT_ONCE):
        append_calls(pa.Table.from_batches([batch]), file_of)


def _append_small(
    connection: duckdb.DuckDBPyConnection, name: str, file: Path, columns: list[str], keys: Mapping[str, str],
    found: Tables,
) -> None:  # fmt: skip
    """Appends tallies and registers, of which the tables do not say when: with the last or the first call."""
    if reason := _lacks(name, columns):
        found.tell(name, reason)
        return
    times = {
        contract: (first, last)
        for contract, first, last in connection.execute(
            "SELECT contract, min(ms), max(ms) FROM observed_rows WHERE reason IS NULL GROUP BY contract"
        ).fetchall()
    }
    key = _key_of(columns) or ""
    counted = next((column for column in _VOTERS if column in columns), "")
    others = [column for column in columns if column not in (key, "uik")]
    if name == "uiks.csv" and not counted:
        if len(others) != 1:
            found.tell(name, f"none of its columns is called {', '.join(_VOTERS)}; it has: {', '.join(columns[:12])}")
            return
        (counted,) = others
    for where, row in _rows(file, name, columns, found):
        contract = keys.get(row.get(key, "").strip())
        if contract is None or contract not in times:
            found.tell(where, f"{ELECTIONS} has no such contract" if contract is None else "the contract has no calls")
            continue
        said = _tally(row, times[contract][1]) if name == "results.csv" else _listed(row, counted, times[contract][0])
        if said is None:
            found.tell(where, "its numbers cannot be read")
            continue
        moment, params, diff = said
        told = f"{name} {contract} {params} {diff} {moment if name == 'results.csv' else ''}"
        identity = f"t{md5(told.encode(), usedforsecurity=False).hexdigest()}"
        with found.exports[contract].open("a", encoding="utf-8", newline="") as export:
            export.write(f"{identity};104;;3;{moment};tables;0;;{params};{diff};{{}};\n")


def _tally(row: Mapping[str, str], moment: int) -> tuple[int, str, str] | None:
    text = row.get("results", "").strip()
    if not _ARRAY.fullmatch(text):
        return None
    tally = json.dumps([[int(number) for number in re.findall(r"\d+", text)]])
    return (
        moment,
        '[{"key":"operation","stringValue":"results"}]',
        json.dumps([{"key": "RESULTS", "stringValue": tally}]),
    )


def _listed(row: Mapping[str, str], counted: str, moment: int) -> tuple[int, str, str] | None:
    precinct, voters = row.get("uik", "").strip(), row.get(counted, "").strip()
    if not voters.isdecimal():
        return None
    pairs = [{"key": "operation", "stringValue": "addVotersList"}, {"key": "votersCount", "intValue": int(voters)}]
    if precinct.isdecimal():
        pairs.append({"key": "primaryUikNumber", "intValue": int(precinct)})
    return moment, json.dumps(pairs), "[]"
