"""Spreadsheets by mapping: cells count as they are shown, and what has no value is no number."""

import json
import re
from datetime import date, datetime
from pathlib import Path
from zipfile import ZipFile

import openpyxl
import pytest

from election_metrics.errors import SourceError
from election_metrics.pipeline.mapping_guess import suggest
from election_metrics_tests.mappings import COUNTS, Read, settings_of
from election_metrics_tests.pipeline.test_mapped_files import put

MAPPING = COUNTS.replace("*.csv", "*.xlsx")
AT = datetime(2026, 9, 18, 10)  # noqa: DTZ001 spreadsheets know no zones


def book_of(path: Path, *sheets: tuple[str, list[list[object]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_cells_of_every_kind(tmp_path: Path) -> None:
    mapping = put(tmp_path / "in", MAPPING)
    book_of(mapping.parent / "x.xlsx", ("Turnout", [
        ["place", "time", "votes", "comment"], ["a", AT, 5], ["b", AT, 6.0, "late"], [], ["c", "2026-09-18 10:00", "1,234"],
        [101, date(2026, 9, 18), 8], ["d", AT, 7.5], ["e", AT, "=1+2"], ["f", AT, "n/a", None, "beside"],
    ]), ("Empty", []))  # fmt: skip
    read = Read(mapping)
    assert read.totals == {"a": 5, "b": 6, "c": 1234, "101": 8}
    assert {row["quantity"].removeprefix("no whole number: ") for row in json.loads(read.rejected)} == {
        "7.5",
        "a formula without a value",
        "n/a",
    }
    assert not read.told


def test_a_sheet_is_named_where_there_are_several_and_its_names_may_stand_lower(tmp_path: Path) -> None:
    mapping = put(tmp_path / "in", MAPPING)
    rows: list[list[object]] = [["Turnout of September"], [], ["place", "time", "votes"], ["a", AT, 5]]
    path = book_of(mapping.parent / "x.xlsx", ("One", rows), ("Two", [["place"]]))
    assert "several sheets have cells; set sheet.name to one of One, Two" in Read(mapping).told
    mapping.write_text(MAPPING + '[sheet]\nname = "Three"\n')
    assert "it has no sheet 'Three' (sheet.name); it has: One, Two" in Read(mapping).told
    mapping.write_text(MAPPING + '[sheet]\nname = "One"\n')
    assert "it has no column 'place'" in Read(mapping).told
    mapping.write_text(MAPPING + '[sheet]\nname = "One"\nheader_row = 3\n')
    assert Read(mapping).totals == {"a": 5}
    mapping.write_text(MAPPING + '[sheet]\nname = "One"\nheader_row = 2\n')
    assert "row 2 has no names of columns (sheet.header_row)" in Read(mapping).told
    path.write_bytes(b"PK\x03\x04 and no more")
    assert "it is no spreadsheet that can be read" in Read(mapping).told
    path.write_bytes(b"place,time,votes\n")
    assert "it is no spreadsheet that can be read" in Read(mapping).told


def test_a_file_that_says_it_is_smaller_than_it_is_is_read_whole(tmp_path: Path) -> None:
    mapping = put(tmp_path / "in", MAPPING)
    whole = book_of(tmp_path / "whole.xlsx", ("One", [["place", "time", "votes"], ["a", AT, 5], ["b", AT, 6]]))
    with ZipFile(whole) as said, ZipFile(mapping.parent / "x.xlsx", "w") as smaller:
        for name in said.namelist():
            content = said.read(name)
            if name.startswith("xl/worksheets/"):
                content = re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1:C2"', content)
            smaller.writestr(name, content)
    assert Read(mapping).totals == {"a": 5, "b": 6}


def test_a_spreadsheet_in_an_archive_and_a_draft_of_one(tmp_path: Path) -> None:
    mapping = put(tmp_path / "in", MAPPING.replace("*.xlsx", "*.zip"))
    path = book_of(
        tmp_path / "x.xlsx", ("One", [["place", "time", "votes"], ["a", AT, 5], ["a", AT.replace(hour=11), 4]])
    )
    with ZipFile(mapping.parent / "x.zip", "w") as archive:
        archive.write(path, "in/x.xlsx")
    assert Read(mapping).totals == {"a": 9}
    draft = suggest(settings_of(tmp_path), path)
    assert 'files = ["*.xlsx"]' in draft
    assert 'votes = "votes"' in draft
    path.write_bytes(b"rubbish")
    with pytest.raises(SourceError, match="it is no spreadsheet that can be read"):
        suggest(settings_of(tmp_path), path)
