"""Whether a package is whole: bytes, descriptor, formats, keys. Each function yields what differs, with its place."""

import csv
import filecmp
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from election_metrics.digest import sha256_of
from election_metrics.lake.reading import quoted
from election_metrics.pipeline.packages.contents import KEYS, TABLES, parents_of
from election_metrics.pipeline.packages.files import (
    CHECKSUMS,
    DATA,
    DESCRIPTOR,
    SIGNATURE,
    csv_of,
    files_below,
    parquet_of,
    write_csv,
)

_MOST_SHOWN = 100
_LIMITS: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "1GB"}
"""Of the engine that reads a package, which is untrusted."""
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def file_differences(folder: Path) -> Iterator[str]:
    """Files that are missing, not named, or have other bytes than the checksums say."""
    said: dict[str, str] = {}
    text = (folder / CHECKSUMS).read_bytes().decode("utf-8", "replace")
    if (folder / CHECKSUMS).is_symlink() or (folder / SIGNATURE).is_symlink():
        yield f"{CHECKSUMS} or {SIGNATURE} is a link"
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        found = _LINE.fullmatch(line)
        if found is None:
            yield f"{CHECKSUMS}, line {number}: it is no checksum"
        elif found[2] in said:
            yield f"{CHECKSUMS}, line {number}: {found[2]} is named again"
        else:
            said[found[2]] = found[1]
    if not text.endswith("\n"):
        yield f"{CHECKSUMS} ends within a line"
    there = list(files_below(folder))
    yield from (f"{name} is missing" for name in sorted(said.keys() - set(there)))
    for name in there:
        if name not in said:
            yield f"{name} is not named in {CHECKSUMS}"
        elif (folder / name).is_symlink():
            yield f"{name} is a link"
        elif sha256_of(folder / name) != said[name]:
            yield f"{name} has other bytes than {CHECKSUMS} says{_place(folder, name)}"


def _place(folder: Path, name: str) -> str:
    """Where a data file differs from its other format, as far as it can be said."""
    path = Path(name)
    if path.parent.as_posix() != DATA:
        return ""
    if not parquet_of(folder, path.stem).is_file() or not csv_of(folder, path.stem).is_file():
        return ""
    try:
        line = _line_that_differs(folder, path.stem)
    except (duckdb.Error, pa.ArrowException, OSError, ValueError) as error:
        return f": it cannot be read ({' '.join(str(error).split())[:200]})"
    return f": {line}" if line else "; its rows are the same as in the other format"


def format_differences(folder: Path) -> Iterator[str]:
    """Tables whose CSV and Parquet differ, with the first line that does."""
    for table in _tables(folder):
        missing = [file for file in (parquet_of(folder, table), csv_of(folder, table)) if not file.is_file()]
        if missing:
            yield f"{DATA}/{missing[0].name} is missing"
        elif line := _line_that_differs(folder, table):
            yield line


def _tables(folder: Path) -> list[str]:
    return sorted({file.stem for file in (folder / DATA).iterdir()})


def _line_that_differs(folder: Path, table: str) -> str | None:
    there = csv_of(folder, table)
    with tempfile.TemporaryDirectory() as work, duckdb.connect(config=_LIMITS) as engine:
        again = Path(work) / "table.csv"
        write_csv(engine, parquet_of(folder, table), again)
        if filecmp.cmp(again, there, shallow=False):
            return None
        with again.open("rb") as wanted, there.open("rb") as found:
            header = wanted.readline()
            for number, (one, other) in enumerate(zip_longest([header, *wanted], found), 1):
                if one != other:
                    return f"{DATA}/{there.name}, line {number}{_cell_that_differs(header, one, other)}"
    return None


def _cell_that_differs(header: bytes, wanted: bytes | None, found: bytes | None) -> str:
    """The first column that differs, with both values; or what else does."""
    if wanted is None or found is None:
        return " is not in Parquet" if wanted is None else " is missing"
    if wanted.rstrip(b"\r\n") == found.rstrip(b"\r\n"):
        return ": it ends otherwise (a spreadsheet may have saved it anew)"
    names, one, other = (_cells(line) for line in (header, wanted, found))
    for name, value, there in zip(names, one, other, strict=False):
        if value != there:
            return f", {name}: {_shown(there)}; in Parquet {_shown(value)}"
    return f": {len(other)} columns; in Parquet {len(one)}"


def _cells(line: bytes) -> list[str]:
    return next(csv.reader([line.decode("utf-8", "replace")]), [])


def _shown(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def descriptor_differences(folder: Path) -> Iterator[str]:
    """Files and columns that datapackage.json does not describe as they are."""
    described = {one["path"]: one for one in _resources(folder)}
    for path in sorted(described.keys() | {f"{DATA}/{table}.csv" for table in {*TABLES, *_tables(folder)}}):
        said, file = described.get(path), folder / path
        if said is None or not file.is_file():
            yield f"{path} is {'not described' if said is None else 'missing'}"
        elif said["hash"] != f"sha256:{sha256_of(file)}" or said["bytes"] != file.stat().st_size:
            yield f"{path}: its hash or size is not that of {DESCRIPTOR}"
        else:
            names = [field["name"] for field in said["schema"]["fields"]]
            columns = pq.read_schema(_parquet(folder, said)).names
            if names != columns:
                yield f"{path}: its columns are {', '.join(columns)}; {DESCRIPTOR} says {', '.join(names)}"
            yield from _keys_as_declared(path, said["schema"], columns)


def _keys_as_declared(path: str, schema: dict[str, Any], columns: list[str]) -> Iterator[str]:
    """Keys that the descriptor says otherwise than they are declared."""
    table = Path(path).stem
    if schema.get("primaryKey") != list(KEYS.get(table, schema.get("primaryKey", ()))):
        yield f"{path}: {DESCRIPTOR} says that its key is {schema.get('primaryKey')}"
    said = {
        tuple(one["fields"]): one["reference"]["resource"].replace("-", "_") for one in schema.get("foreignKeys", [])
    }
    if said != parents_of(table, columns):
        yield f"{path}: {DESCRIPTOR} says that its rows refer to {', '.join(said.values()) or 'nothing'}"


def _parquet(folder: Path, resource: dict[str, Any]) -> Path:
    return parquet_of(folder, Path(resource["path"]).stem)


def _resources(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / DESCRIPTOR).read_text("utf-8"))["resources"]
    return found


def key_differences(folder: Path) -> Iterator[str]:
    """Keys that repeat or are empty, and rows that refer to others which are not there."""
    with duckdb.connect(config=_LIMITS) as engine:
        columns = {}
        for table in TABLES:
            rows = f"read_parquet({quoted(str(parquet_of(folder, table)))})"
            engine.execute(f"CREATE VIEW {_name(table)} AS FROM {rows}")
            columns[table] = pq.read_schema(parquet_of(folder, table)).names
        for table, key in KEYS.items():
            yield from _keys_of(engine, table, key, parents_of(table, columns[table]))


def _keys_of(
    engine: duckdb.DuckDBPyConnection, table: str, key: Sequence[str], parents: Mapping[tuple[str, ...], str]
) -> Iterator[str]:
    names = ", ".join(map(_name, key))
    repeated = f"SELECT {names}, count(*) FROM {_name(table)} GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1"  # noqa: S608
    if row := engine.execute(repeated).fetchone():
        yield f"{table}: {_words(key, row)} is there {row[-1]} times"
    for name in key:
        empty = engine.execute(f"SELECT count(*) FROM {_name(table)} WHERE {_name(name)} IS NULL").fetchone()  # noqa: S608
        if empty and empty[0]:
            yield f"{table}: {name} is empty in {empty[0]} row(s)"
    for columns, parent in parents.items():
        match = " AND ".join(f"parent.{_name(name)} = child.{_name(name)}" for name in columns)
        missing = (
            f"SELECT {', '.join(f'child.{_name(name)}' for name in columns)} FROM {_name(table)} AS child "  # noqa: S608
            f"WHERE {' AND '.join(f'child.{_name(name)} IS NOT NULL' for name in columns)} "
            f"AND NOT EXISTS (SELECT 1 FROM {_name(parent)} AS parent WHERE {match}) ORDER BY ALL LIMIT 1"
        )
        if row := engine.execute(missing).fetchone():
            yield f"{table}: {_words(columns, row)} is not in {parent}"


def _name(name: str) -> str:
    """A name in SQL; some are SQL's own words."""
    return f'"{name}"'


def _words(names: Sequence[str], row: tuple[Any, ...]) -> str:
    return ", ".join(f"{name} {_shown(str(value))}" for name, value in zip(names, row, strict=False))
