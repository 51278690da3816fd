"""What of mapped files could not be read, told with file, line and reason."""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb

from election_metrics.pipeline.mapped_parts import Part, dialect
from election_metrics.pipeline.mapped_query import HAS_OFFSET, IS_NUMBER
from election_metrics.pipeline.mapped_reading import known_types
from election_metrics.sources.file_mapping import FileMapping, columns_of
from election_metrics.sources.file_versions import FileVersion, Unreadable
from election_metrics.sources.mapping_expressions import NO_TIME, literal

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
    if part.form == "csv" and part.lines > rows + refused + (not mapping.csv.header):
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


def _version_of(path: str, versions: Sequence[FileVersion]) -> FileVersion:
    return next(one for one in versions if path == one.path or path.startswith(f"{one.path}/"))


def note_repeated(
    here: duckdb.DuckDBPyConnection, mapping: FileMapping, notes: list[Unreadable], versions: Sequence[FileVersion]
) -> None:  # fmt: skip
    """Adds equal numbers of a place and time in rows of a file that differ otherwise: they may be of two places."""
    if mapping.rows == "events":
        return
    found = here.execute(
        f"""
        SELECT path, count(*), min(line), arg_min(constituency, line)
        FROM (
            SELECT * FROM counts WHERE amount IS NOT NULL AND constituency IS NOT NULL AND instant IS NOT NULL
            WINDOW one_moment AS (PARTITION BY constituency, counter, instant, path)
            QUALIFY min(row_hash) OVER one_moment <> max(row_hash) OVER one_moment
        )
        GROUP BY path ORDER BY path LIMIT {_MOST_NOTES}
        """  # noqa: S608 ours
    ).fetchall()
    for path, rows, first, place in found:
        reason = (
            f"row {first}: the number of {place!r} and this time is there again, in a row that differs otherwise "
            f"({rows:,} row(s); this is the first); it counts once. If they are of two places, columns.constituency "
            "needs another column"
        )
        notes.append(Unreadable(_version_of(path, versions), reason, f"#again-{first}"))


def note_twice(
    here: duckdb.DuckDBPyConnection, mapping: FileMapping, notes: list[Unreadable], versions: Sequence[FileVersion]
) -> None:  # fmt: skip
    """Adds local times that occur twice, because a clock was set back."""
    zone = f"coalesce(zone, {literal(mapping.time_zone)})"
    hours = here.execute(
        f"SELECT DISTINCT epoch_ms(date_trunc('hour', instant)), {zone} FROM placed "  # noqa: S608
        f"WHERE instant IS NOT NULL AND {zone} IN (SELECT name FROM zones)"
    ).fetchall()
    for hour, name in hours:
        local = datetime.fromtimestamp(hour / 1000, UTC).astimezone(ZoneInfo(name))
        if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
            continue
        rows, path = here.execute(
            f"SELECT count(*), min(path) FROM placed WHERE epoch_ms(date_trunc('hour', instant)) = ? AND {zone} = ? "  # noqa: S608
            f"AND NOT ({HAS_OFFSET}) AND NOT ({IS_NUMBER})",
            [hour, name],
        ).fetchall()[0]
        if rows:
            reason = (
                f"{rows:,} row(s) are of {local:%Y-%m-%d %H}:00 to {local:%H}:59, which occurs twice in {name}: they "
                "are read as the second. An offset in the time, such as +02:00, would say which"
            )
            notes.append(Unreadable(_version_of(path, versions), reason, f"#twice-{local:%Y-%m-%d-%H}"))


def note_unclear(
    here: duckdb.DuckDBPyConnection, notes: list[Unreadable], versions: Sequence[FileVersion]
) -> None:  # fmt: skip
    """Adds places of which nothing counts, because they may be several."""
    found = here.execute(
        "SELECT reason, count(*), sum(rows)::BIGINT, min(constituency), arg_min(path, constituency) "  # noqa: S608 ours
        f"FROM unclear GROUP BY reason ORDER BY 4 LIMIT {_MOST_NOTES}"
    ).fetchall()
    for reason, places, rows, place, path in found:
        version = _version_of(path, versions)
        text = f"{place!r} {reason}. None of its {rows:,} row(s) counts ({places:,} place(s); this is the first)"
        notes.append(Unreadable(version, text, f"#place-{place}"))


def note_swapped(
    here: duckdb.DuckDBPyConnection, mapping: FileMapping, now: datetime, notes: list[Unreadable],
    versions: Sequence[FileVersion],
) -> None:  # fmt: skip
    """Lets no time count of which day and month are the other way round than the format says, and adds a note.

    That is so where some times fit the format the other way round alone, and none shows that the format is right.
    """
    form = next((one.format for key, one in columns_of(mapping) if key.endswith("time") and one.format), None)
    if form is None or "%d" not in form or "%m" not in form:
        return
    swapped = form.replace("%d", "%day").replace("%m", "%d").replace("%day", "%m")
    is_unread = f"starts_with(time, {literal(NO_TIME)})"
    other = f"{is_unread} AND try_strptime(substr(time, {len(NO_TIME) + 1}), {literal(swapped)}) IS NOT NULL"
    wrong, right, example, path = here.execute(
        f"SELECT count(*) FILTER (WHERE {other}), "  # noqa: S608 quoted
        f"count(*) FILTER (WHERE NOT {is_unread} AND day(TRY_CAST(time AS TIMESTAMP)) > 12), "
        f"min(substr(time, {len(NO_TIME) + 1})) FILTER (WHERE {other}), min(path) FILTER (WHERE {other}) FROM said"
    ).fetchall()[0]
    if not wrong or right:
        return
    here.execute(
        f"UPDATE said SET time = {literal(NO_TIME)} || time "  # noqa: S608 quoted; what is to come is refused anyway
        f"WHERE NOT {is_unread} AND TRY_CAST(time AS TIMESTAMP) <= ?",
        [(now + timedelta(days=1)).replace(tzinfo=None)],
    )
    reason = (
        f"{wrong:,} time(s), such as {example}, do not fit the format {form!r}, but do with day and month the other "
        f"way round, and no time shows that the format is right: set it to {swapped!r}. No row counts"
    )
    notes.append(Unreadable(_version_of(path, versions), reason, "#swapped"))
