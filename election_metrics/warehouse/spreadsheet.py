"""Writes rows as a workbook for Excel and LibreOffice: times as times (UTC), text never as a formula."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import IO

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

MOST_ROWS = 2**20 - 1
"""The rows of a sheet, beside the header."""
_MOST_CHARACTERS = 32_767
_CUT = "… (cut: a cell holds 32,767 characters)"
_LARGEST_EXACT = 2**53
_FIRST_DAY = datetime(1900, 3, 1, tzinfo=UTC).replace(
    tzinfo=None
)  # before it, Excel's calendar has a day that never was


def write_workbook(
    out: IO[bytes], name: str, comment: str, columns: Mapping[str, str], rows: Iterable[Sequence[object]]
) -> None:
    """Writes a workbook: a sheet of the rows, and a sheet "About" with the meaning of each column.

    Args:
        out: the stream to write to.
        name: name of the table.
        comment: what the table is.
        columns: the comment of each column, in the order of the rows' values.
        rows: at most MOST_ROWS. Instants are written in UTC, to the millisecond; whole numbers that Excel would round,
            and times before its calendar, as text.
    """
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
               "strings_to_numbers": False, "nan_inf_to_errors": True}  # fmt: skip
    with xlsxwriter.Workbook(out, options) as book:
        formats = {"bold": book.add_format({"bold": True}), "time": book.add_format({"num_format": _TIME})}
        sheet = book.add_worksheet(name[:31])
        sheet.freeze_panes(1, 0)
        for column, title in enumerate(columns):
            sheet.write_string(0, column, title, formats["bold"])
            sheet.set_column(column, column, max(12, min(len(title) + 2, 32)))
        count = 0
        for number, row in enumerate(rows, 1):
            count = number
            for column, value in enumerate(row):
                _write(sheet, number, column, value, formats["time"])
        sheet.autofilter(0, 0, count, len(columns) - 1)
        about = book.add_worksheet("About")
        about.set_column(0, 0, 32)
        about.set_column(1, 1, 110)
        lines = [(name, comment), ("Times", "UTC"), ("Exported", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"), ("", "")]
        for number, (what, text) in enumerate([*lines, *columns.items()]):
            about.write_string(number, 0, what, formats["bold"])
            about.write_string(number, 1, text)


_TIME = "yyyy-mm-dd hh:mm:ss"


def _write(sheet: Worksheet, row: int, column: int, value: object, time: object) -> None:
    match value:
        case None:
            pass
        case bool():
            sheet.write_boolean(row, column, value)
        case int() if abs(value) > _LARGEST_EXACT:
            sheet.write_string(row, column, str(value))
        case int() | float() | Decimal():
            sheet.write_number(row, column, value)
        case datetime() if _in_utc(value) >= _FIRST_DAY:
            sheet.write_datetime(row, column, _in_utc(value), time)
        case list() | tuple():
            sheet.write_string(row, column, _fitting(", ".join(map(str, value))))
        case _:
            sheet.write_string(row, column, _fitting(str(value)))


def _in_utc(moment: datetime) -> datetime:
    """The moment in UTC, without a zone, which Excel does not have; a local wall clock as it is."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _fitting(text: str) -> str:
    """The text, marked where it is cut: a longer one would be left out without a word."""
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - len(_CUT)] + _CUT
