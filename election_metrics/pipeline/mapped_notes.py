"""What of mapped files could not be read, told with file, line and reason."""

import csv
from collections.abc import Sequence

import duckdb

from election_metrics.pipeline.mapped_parts import Part, dialect
from election_metrics.pipeline.mapped_reading import known_types
from election_metrics.sources.file_mapping import FileMapping
from election_metrics.sources.file_versions import FileVersion, Unreadable

_MOST_NOTES = 20


def _note(part: Part, what: str, first: int, reason: str, lines: int) -> Unreadable:
    of = "line" if what == "line" else "row"
    text = f"{of} {first}: {reason} ({lines:,} {of}(s); this is the first)"
    return Unreadable(part.version, text, f"{part.member}#{what}-{first}".lstrip("/"))


def note_lines(here: duckdb.DuckDBPyConnection, mapping: FileMapping, part: Part, rows: int) -> list[Unreadable]:
    """Lines that are no rows: of too many or too few values, or after a quotation mark that is not closed."""
    if part.form not in ("csv", "jsonl"):
        return []
    notes, refused = [], 0
    if here.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'refused_lines'").fetchone():
        found = here.execute(
            "SELECT error_type, count(DISTINCT line), min(line), arg_min(error_message, line) FROM refused_lines "
            "GROUP BY error_type ORDER BY error_type"
        ).fetchall()
        for _, lines, first, message in found:
            notes.append(_note(part, "line", first, str(message).splitlines()[0], lines))
            refused += lines
        for table in ("refused_lines", "refused_scans"):
            here.execute(f"DROP TABLE {table}")
    if part.form == "csv" and part.line_ends - rows - refused > 1:
        notes += _note_swallowed(mapping, part)
    return notes


def _note_swallowed(mapping: FileMapping, part: Part) -> list[Unreadable]:
    """Rows within a value, because a quotation mark before them is not closed: lines of as many delimiters as a row."""
    if not mapping.csv.quote:
        return []
    notes: list[Unreadable] = []
    least = max(1, len(part.columns) - 1)
    with part.file.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        records = csv.reader(text, strict=True, **dialect(mapping))
        begin, is_over = 1, False
        while not is_over and len(notes) < _MOST_NOTES:
            try:
                record = next(records, None)
                is_over = record is None
                lines = [line for value in record or [] for line in value.splitlines()[1:]]
                swallowed = sum(line.count(mapping.csv.delimiter) >= least for line in lines)
            except csv.Error as error:  # what is no value is refused already, but for the one that the file ends in
                swallowed = records.line_num - begin if "end of data" in str(error) else 0
            if swallowed:
                notes.append(_swallowing(part, begin, swallowed))
            begin = records.line_num + 1
    return notes


def _swallowing(part: Part, line: int, swallowed: int) -> Unreadable:
    reason = f"line {line}: a quotation mark is not closed, and the {swallowed:,} line(s) after it are no rows"
    return Unreadable(part.version, reason, f"{part.member}#line-{line}".lstrip("/"))


def note_problems(here: duckdb.DuckDBPyConnection, mapping: FileMapping, part: Part, number: int) -> list[Unreadable]:
    """Values that cannot be read as the mapping says, by kind; a file of events none of which counts."""
    found = here.execute(
        "SELECT split_part(problem, ': ', 1) AS kind, count(*), min(line), arg_min(problem, line) FROM said "
        "WHERE file_number = ? AND problem IS NOT NULL GROUP BY kind ORDER BY kind",
        [number],
    ).fetchall()
    notes = [_note(part, f"row-{place}", first, text, lines) for place, (_, lines, first, text) in enumerate(found)]
    if mapping.rows == "events":
        rows, known, types = here.execute(
            f"SELECT count(*), count(*) FILTER (WHERE lower(type) IN ({known_types(mapping)})), "  # noqa: S608 quoted
            "list_sort(list(DISTINCT type))[:5] FROM said WHERE file_number = ? AND type IS NOT NULL",
            [number],
        ).fetchall()[0]
        if rows and not known:
            reason = (
                f"none of its {rows:,} row(s) counts: their type is {', '.join(types)}, which [types] does not name"
            )
            notes.append(Unreadable(part.version, reason, f"{part.member}#type".lstrip("/")))
    return notes


def note_unclear(
    here: duckdb.DuckDBPyConnection, notes: list[Unreadable], versions: Sequence[FileVersion]
) -> None:  # fmt: skip
    """Adds places of which nothing counts, because they may be several."""
    found = here.execute(
        "SELECT reason, count(*), sum(rows)::BIGINT, min(constituency), arg_min(path, constituency) "  # noqa: S608 ours
        f"FROM unclear GROUP BY reason ORDER BY 4 LIMIT {_MOST_NOTES}"
    ).fetchall()
    for reason, places, rows, place, path in found:
        version = next(one for one in versions if path == one.path or path.startswith(f"{one.path}/"))
        text = f"{place!r} {reason}. None of its {rows:,} row(s) counts ({places:,} place(s); this is the first)"
        notes.append(Unreadable(version, text, f"#place-{place}"))
