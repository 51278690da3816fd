"""Spreadsheets of a mapping: the cells of a sheet as a Parquet file of texts, row after row."""

import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from itertools import islice, zip_longest
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import ParseError

import pyarrow as pa
import pyarrow.parquet as pq

from election_metrics.errors import SourceError
from election_metrics.sources.file_mapping import Sheet

_ROWS_AT_ONCE = 20_000
_WITHOUT_VALUE = "a formula without a value"


def write_sheet(sheet: Sheet, file: Path, target: Path) -> list[str]:
    """Writes the rows below the header to a Parquet file of columns of text; returns the names of the columns.

    A number is written without a decimal part where it has none, a time as 2026-09-18 10:00:00; a formula of which the
    file has no value says so, so that it is no number. Rows without cells are left out.

    Raises:
        SourceError: it cannot be read, or several sheets have cells and none is named.
    """
    try:
        with warnings.catch_warnings(), file.open("rb") as content, file.open("rb") as again:
            warnings.simplefilter("ignore")  # of styles and extensions, which do not matter here
            rows = _rows(sheet, content, again)
            header = next(islice(rows, sheet.header_row - 1, None), None)
            names = ["" if cell is None else _text(cell).strip() for cell in header or []]
            while names and not names[-1]:
                names.pop()
            if not names:
                raise SourceError(f"row {sheet.header_row} has no names of columns (sheet.header_row)")
            _write(rows, len(names), target)
    except (zipfile.BadZipFile, zlib.error, ParseError, KeyError, ValueError, TypeError, EOFError) as error:
        raise SourceError(f"it is no spreadsheet that can be read: {str(error) or type(error).__name__}") from None
    return names


def _write(rows: Iterator[Sequence[Any]], width: int, target: Path) -> None:
    schema = pa.schema([(f"c{place}", pa.string()) for place in range(width)])
    with pq.ParquetWriter(target, schema) as writer:
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            texts = [[None if cell is None else _text(cell) for cell in row[:width]] for row in some if any(
                cell is not None for cell in row[:width])]  # fmt: skip
            columns = [pa.array(column, pa.string()) for column in zip_longest(*texts)] if texts else []
            columns += [pa.nulls(len(texts), pa.string())] * (width - len(columns))
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _rows(sheet: Sheet, file: IO[bytes], again: IO[bytes]) -> Iterator[Sequence[Any]]:
    """The cells of each row; those of a formula as it was computed last."""
    import openpyxl  # loads many modules, which only spreadsheets need

    book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    name = _name_of(sheet, book)
    values = _cells(book[name])
    if not _has_formulas(again):
        return values
    formulas = _cells(openpyxl.load_workbook(again, read_only=True)[name])
    return (
        [
            _WITHOUT_VALUE if value is None and formula is not None else value
            for value, formula in zip_longest(row, written)
        ]
        for row, written in zip_longest(values, formulas, fillvalue=())
    )


def _cells(sheet: Any) -> Iterator[Sequence[Any]]:
    sheet.reset_dimensions()  # a file may say that it is smaller than it is
    cells: Iterator[Sequence[Any]] = sheet.iter_rows(values_only=True)
    return cells


def _name_of(sheet: Sheet, book: Any) -> str:
    names = [one.title for one in book.worksheets]
    if sheet.name:
        if sheet.name not in names:
            raise SourceError(f"it has no sheet {sheet.name!r} (sheet.name); it has: {', '.join(names)}")
        return sheet.name
    filled = [name for name in names if any(cell is not None for row in _cells(book[name]) for cell in row)]
    if len(filled) != 1:
        several = f"several sheets have cells; set sheet.name to one of {', '.join(filled)}"
        raise SourceError(several if filled else "no sheet has cells")
    return str(filled[0])


def _has_formulas(file: IO[bytes]) -> bool:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                with archive.open(name) as content:
                    last = b""
                    while piece := content.read(2**20):
                        if b"<f>" in last + piece or b"<f " in last + piece:
                            return True
                        last = piece[-3:]
    return False


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)
