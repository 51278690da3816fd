"""Reads the tables that observers exchange as exports of their contracts, which count where there is nothing better."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb

from election_metrics.digest import name_for, new_digest
from election_metrics.pipeline.observer_reading import read_tables
from election_metrics.sources.archive_names import numbered
from election_metrics.sources.export_file import ExportFile, ObserverTables, read_content
from election_metrics.sources.export_path import ExportPath
from election_metrics.sources.file_versions import Unreadable


def read_observer_tables(
    tables: ObserverTables, engine: duckdb.DuckDBPyConnection, work: Path
) -> Iterator[ExportFile | Unreadable]:
    """The export of each contract of an archive, what of it cannot be read, and a row for the archive itself."""
    folder = work / f"tables-{name_for(tables.version.path)}"
    folder.mkdir()
    try:
        found = read_tables(engine, tables.readable, folder)
    except duckdb.Error as error:
        yield Unreadable(tables.version, f"the tables cannot be read: {str(error).splitlines()[0]}")
        return
    for contract, file in sorted(found.exports.items()):
        export = read_content(tables.version, f"{contract}.csv", found.places[contract], file)
        # Tables that were corrected are other content, also for contracts of which nothing changed.
        content = new_digest()
        content.update(f"{export.content_hash} {found.sha256}".encode())
        yield replace(export, content_hash=content.hexdigest(), sha256=found.sha256, is_counts_only=True)
    seen: Counter[str] = Counter()
    for where, reason in found.problems:
        yield Unreadable(tables.version, reason, numbered(seen, where))
    # So that the ledger knows the archive, whatever becomes of its contracts.
    nothing = folder / "nothing.csv"
    nothing.touch()
    whole = read_content(tables.version, "tables", ExportPath(""), nothing)
    yield replace(whole, sha256=found.sha256, is_counts_only=True)
