"""A workbook holds what the table holds, and Excel changes none of it."""

import codecs
import csv
import io
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from election_metrics.errors import ElectionMetricsError
from election_metrics.settings import Settings
from election_metrics.warehouse import export
from election_metrics.warehouse.export import export_table, exportable
from election_metrics.warehouse.spreadsheet import write_workbook
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import Folder, ms, vote

_EIGHT = datetime.fromisoformat("2026-09-18T08:00")


def test_every_table_and_view_is_a_workbook_of_its_columns(chosen: Settings, tmp_path: Path) -> None:
    update(chosen, Folder(tmp_path / "in").put(vote("a", ms(1.5)), "rubbish").parent)
    for name in (*exportable(), "election_current", "turnout_by_hour"):
        as_csv, as_xlsx = io.BytesIO(), io.BytesIO()
        export_table(chosen, name, "csv", as_csv)
        export_table(chosen, name, "xlsx", as_xlsx)
        book = openpyxl.load_workbook(as_xlsx)
        sheet, about = (book[title] for title in book.sheetnames)
        read = list(csv.reader(io.StringIO(as_csv.getvalue().decode())))
        assert [cell.value for cell in sheet[1]] == read[0], name
        assert sheet.max_row == len(read), name
        assert {cell.value for cell in about["A"]} >= set(read[0])
    (hour,) = rows(chosen, "SELECT hour FROM metrics.hourly_stats")["hour"]
    export_table(chosen, "hourly_stats", "xlsx", whole := io.BytesIO())
    sheet = openpyxl.load_workbook(whole)["hourly_stats"]
    row = dict(zip([cell.value for cell in sheet[1]], [cell.value for cell in sheet[2]], strict=True))
    assert row["hour"] == hour.to_pydatetime().replace(tzinfo=None), "a time, in UTC"
    assert (row["votes_cast"], row["participation_rate"]) == (1, None)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "=1+1"), ("http://x.example", "http://x.example"), ("0012", "0012"), (None, None),
        (2**53, 2**53), (2**53 + 1, str(2**53 + 1)), (Decimal("12.5"), 12.5), (True, True),
        (_EIGHT.replace(tzinfo=UTC), _EIGHT),
        (_EIGHT.replace(tzinfo=timezone(timedelta(hours=-5))), _EIGHT + timedelta(hours=5)),
        (_EIGHT, _EIGHT),
        (datetime(1899, 1, 1, tzinfo=UTC), "1899-01-01 00:00:00+00:00"),
        ([1, 2], "1, 2"),
    ],
)  # fmt: skip
def test_a_value_stays_what_it_is(value: object, shown: object) -> None:
    write_workbook(out := io.BytesIO(), "t", "a table", {"x": "a column"}, [[value]])
    cell = openpyxl.load_workbook(out)["t"].cell(2, 1)
    assert cell.value == shown
    assert cell.data_type != "f"
    assert cell.hyperlink is None


def test_a_text_that_no_cell_holds_is_marked_as_cut() -> None:
    write_workbook(out := io.BytesIO(), "t", "a table", {"x": "a column"}, [["y" * 40_000]])
    text = openpyxl.load_workbook(out)["t"].cell(2, 1).value
    assert len(text) == 32_767
    assert text.endswith("… (cut: a cell holds 32,767 characters)")


def test_rows_that_no_sheet_holds_are_refused(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update(chosen, Folder(tmp_path / "in").put(vote("a", ms(1)), vote("b", ms(1, hour=1))).parent)
    monkeypatch.setattr(export, "MOST_ROWS", 1)
    with pytest.raises(ElectionMetricsError, match="hourly_stats has 2 rows, and a sheet holds 1; choose rows"):
        export_table(chosen, "hourly_stats", "xlsx", io.BytesIO())


def test_a_csv_has_a_byte_order_mark_where_it_is_asked_for(chosen: Settings) -> None:
    plain, marked = io.BytesIO(), io.BytesIO()
    export_table(chosen, "elections", "csv", plain)
    export_table(chosen, "elections", "csv", marked, bom=True)
    assert marked.getvalue() == codecs.BOM_UTF8 + plain.getvalue()
