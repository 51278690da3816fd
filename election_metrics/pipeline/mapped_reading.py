"""SQL that reads the rows of a file by a mapping into the table `said`: what each says, and what is wrong with it."""

# ruff: noqa: S608 names are ours, and texts of the mapping are quoted

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from election_metrics.sources.file_mapping import COUNTED, FileMapping, essential_keys
from election_metrics.sources.mapping_expressions import Expression, Value, literal
from election_metrics.sources.table_mapping import OPERATIONS

_SAID = ("constituency", "time", "zone", "place_zone", "name", "region", "election", "id", "type", "status", "voter",
         "quantity", "bulletins", "votes", "registered")  # fmt: skip
_NUMBERS = (*COUNTED, "registered")
CREATE_SAID = (
    f"CREATE OR REPLACE TEMP TABLE said (path VARCHAR, {', '.join(f'{name} VARCHAR' for name in _SAID)}, "
    f"parts VARCHAR, problem VARCHAR, row_hash UBIGINT, {', '.join(f'{name}_number BIGINT' for name in _NUMBERS)}, "
    "file_number BIGINT, line BIGINT)"
)
"""`parts`: the values that `constituency` is joined of; `problem`: what of a row could not be read; `row_hash`: of all
that a row says, where it has counts."""
NO_DELIMITER = chr(1)
_LARGEST_OBJECT = 2**30


def reader_of(mapping: FileMapping, file: Path, form: str, columns: Sequence[str], longest: int) -> str:
    """The table function that reads a file: columns c0, c1, …, or `row`, a JSON value (NULL where it is none).

    Args:
        mapping: the mapping.
        file: of a name without special characters.
        form: csv, json, jsonl or parquet.
        columns: names of its columns, in order; of JSON none.
        longest: the longest line, in bytes.
    """
    name = literal(str(file))
    if form == "parquet":
        cells = ", ".join(f"c{place}" for place in range(len(columns)))
        return f"read_parquet({name}, hive_partitioning = false) AS file ({cells})"
    if form == "csv":
        quote = literal(mapping.csv.quote)
        header = "false" if mapping.csv.header else "true"
        return _lines(
            name, literal(mapping.csv.delimiter), quote, header, [f"c{place}" for place in range(len(columns))], longest
        )
    if form == "jsonl":
        lines = _lines(name, literal(NO_DELIMITER), "''", "false", ["text"], longest)
        return f"(SELECT text, CASE WHEN json_valid(text) THEN CAST(text AS JSON) END AS row FROM {lines})"
    options = _of_objects(file)
    if not mapping.json_.rows:
        return f"(SELECT json AS text, json AS row FROM read_json_objects({name}, format = 'array', {options}))"
    rows = f"unnest(json_extract(json, {literal(f'{_json_path(mapping.json_.rows)}[*]')})) AS row"
    return (
        f"(SELECT row AS text, row FROM (SELECT {rows} "
        f"FROM read_json_objects({name}, format = 'unstructured', {options})))"
    )


def _lines(name: str, delimiter: str, quote: str, header: str, columns: Sequence[str], longest: int) -> str:
    """Lines as they are written: one that has more or fewer values than columns, or an open quote, is refused."""
    types = ", ".join(f"{column}: 'VARCHAR'" for column in columns)
    return (
        f"read_csv({name}, delim = {delimiter}, quote = {quote}, escape = {quote}, header = {header}, "
        f"auto_detect = false, columns = {{{types}}}, null_padding = false, strict_mode = true, ignore_errors = true, "
        "store_rejects = true, rejects_table = 'refused_lines', rejects_scan = 'refused_scans', rejects_limit = 0, "
        f"max_line_size = {longest}, buffer_size = {longest}, parallel = false, hive_partitioning = false)"
    )


def _of_objects(file: Path) -> str:
    size = min(max(file.stat().st_size + 1024, 2**24), _LARGEST_OBJECT)
    return f"maximum_object_size = {size}, hive_partitioning = false"


def lacks_list(mapping: FileMapping, file: Path) -> str:
    """Query of a JSON file: the number of its values that have no list at `json.rows`."""
    path = literal(_json_path(mapping.json_.rows))
    return (
        f"SELECT count(*) FROM read_json_objects({literal(str(file))}, format = 'unstructured', {_of_objects(file)}) "
        f"WHERE coalesce(json_type(json, {path}), '') <> 'ARRAY'"
    )


def has_keys(reader: str, keys: Sequence[str], most: int) -> str:
    """Query of JSON rows: the number of the first `most` rows, and of those that have each key."""
    counts = ", ".join(f"count(*) FILTER (WHERE json_exists(row, {literal(_json_path(key))}))" for key in keys)
    return f"SELECT count(*), {counts} FROM (SELECT row FROM {reader} WHERE row IS NOT NULL LIMIT {most})"


def _json_path(keys: str) -> str:
    return "$" + "".join(f'."{key}"' for key in keys.split("."))


def cell_of(form: str, columns: Sequence[str]) -> Callable[[str], str]:
    """The SQL of a column's text, without spaces around it; NULL where it is empty."""
    names = {column: f"c{place}" for place, column in enumerate(columns)}
    places = {column: f"CAST({name} AS VARCHAR)" for column, name in names.items()}

    def cell(column: str) -> str:
        is_json = form in ("json", "jsonl")
        if form == "csv":
            return f"nullif(trim({places[column]}), '')"
        # 1 and 1.0 are one number: other tools write whole numbers as fractions where one of a column is missing.
        text = f"json_extract_string(row, {literal(_json_path(column))})" if is_json else places[column]
        is_fraction = (
            f"json_type(row, {literal(_json_path(column))}) = 'DOUBLE'"
            if is_json
            else f"typeof({names[column]}) IN ('DOUBLE', 'FLOAT')"
        )
        return f"nullif(trim(CASE WHEN {is_fraction} THEN regexp_replace({text}, '[.]0$', '') ELSE {text} END), '')"

    return cell


def insert_said(
    mapping: FileMapping, reader: str, form: str, columns: Sequence[str], path: str, number: int
) -> str:  # fmt: skip
    """Statement that appends what a file's rows say to `said`; a row of several snapshots is there once for each."""
    cell, where = cell_of(form, columns), literal(path)
    is_json = form in ("json", "jsonl")
    cells = "text" if is_json else ", ".join(f"c{place}" for place in range(len(columns)))
    whole_row = "CAST(NULL AS UBIGINT)" if mapping.rows == "events" else f"hash({cells})"
    selects = []
    for place, group in enumerate(mapping.groups, start=1):
        one = _Row(mapping, group, form, cell, where)
        texts = one.texts()
        if mapping.snapshots:
            texts["id"] = f"{texts['id']} || '-{place}'"
        values = ", ".join(f"{text} AS {name}" for name, text in texts.items())
        problem = " ".join(f"WHEN {condition} THEN {said}" for condition, said in one.problems(texts))
        selects.append(
            f"SELECT {where} AS path, {values}, {one.parts()} AS parts, {whole_row} AS row_hash, "
            f"CASE {problem or 'WHEN FALSE THEN NULL'} END AS problem, {number} AS file_number, line "
            f"FROM (SELECT *, row_number() OVER () AS line FROM {reader})"
            + (" WHERE text IS NOT NULL" if is_json else "")
        )
    numbers = ", ".join(f"{whole(mapping, name, form)} AS {name}_number" for name in _NUMBERS)
    quantity = f"coalesce(CAST({whole(mapping, 'quantity', form)} AS VARCHAR), 'no whole number: ' || quantity)"
    # What is no number is told where nothing else tells of it: a count is in quarantine.
    unread = "registered IS NOT NULL AND registered_number IS NULL"
    return (
        f"INSERT INTO said BY NAME SELECT * REPLACE (CASE WHEN problem IS NULL AND {unread} "
        "THEN 'columns.registered is no whole number: ' || registered ELSE problem END AS problem) "
        f"FROM (SELECT * REPLACE ({quantity} AS quantity), {numbers} FROM ({' UNION ALL '.join(selects)}))"
    )


class _Row:
    """What a row says, by a group of columns."""

    def __init__(
        self, mapping: FileMapping, group: dict[str, Value | None], form: str, cell: Callable[[str], str], path: str
    ) -> None:
        self.mapping, self.form, self.cell, self.path = mapping, form, cell, path
        self.expressions = {name: Expression.of(value) for name, value in group.items() if value is not None}

    def texts(self) -> dict[str, str]:
        texts = {name: one.sql(self.cell, self.path) for name, one in self.expressions.items()}
        if (ids := self.expressions.get("id")) is not None and len(ids.columns) > 1:
            texts["id"] = ids.sql(lambda name: escaped(self.cell(name), ids.join), self.path)
        if (amount := self.expressions.get("quantity")) is not None and (cut := amount.cut(self.cell, self.path)):
            origin, value = cut  # what does not match is no number, not the 1 of an empty cell
            texts["quantity"] = f"CASE WHEN {value} IS NULL THEN {origin} ELSE {texts['quantity']} END"
        for name in ("constituency", "name", "region", "election"):
            if name in texts:
                texts[name] = f"nfc_normalize({texts[name]})"
        return dict.fromkeys(_SAID, "CAST(NULL AS VARCHAR)") | {name: texts[name] for name in texts if name in _SAID}

    def parts(self) -> str:
        place = self.expressions["constituency"]
        joined = place.columns
        if len(joined) < 2 or place.regex or place.split or place.map:  # what is cut is meant to be one
            return "CAST(NULL AS VARCHAR)"
        return f"concat_ws(chr(31), {', '.join(self.cell(name) for name in joined)})"

    def problems(self, texts: dict[str, str]) -> Iterator[tuple[str, str]]:
        """Conditions of rows that cannot be read as the mapping says, with a text: key and value."""
        if self.form in ("json", "jsonl"):
            yield "row IS NULL", "'it is no JSON: ' || left(text, 60)"
            yield "json_type(row) <> 'OBJECT'", "'it is no JSON object: ' || left(text, 60)"
            # A key that is not there may have another name in this row; null says that there is no value.
            for key in sorted(set().union(*essential_keys(self.mapping))) if not self.mapping.snapshots else ():
                is_there = f"json_exists(row, {literal(_json_path(key))})"
                yield (
                    f"NOT {is_there}",
                    literal(f"the key {key!r} is not in it, and not null; it has") + " || ': ' || left(text, 120)",
                )
        for name, one in self.expressions.items():
            cut = one.cut(self.cell, self.path)
            if cut is not None:
                origin, value = cut
                said = f"'columns.{name} does not match its expression: ' || {origin}"
                yield f"{origin} IS NOT NULL AND {value} IS NULL", said
        if "place_zone" in self.expressions:
            zone = texts["place_zone"]
            yield (
                f"{zone} IS NOT NULL AND {zone} NOT IN (SELECT name FROM zones)",
                f"'columns.place_zone is no IANA time zone: ' || {zone}",
            )
        if "type" in self.expressions and not self.mapping.snapshots:
            yield f"{texts['type']} IS NULL", "'columns.type is empty: nothing says what the row is'"


def escaped(cell: str, join: str) -> str:
    """A part of a joined id in which the text between two parts is marked, so that no two ids are the same."""
    marked = f"replace({cell}, '\\', '\\\\')"
    return f"replace({marked}, {literal(join)}, {literal(chr(92) + join)})" if join else marked


def whole(mapping: FileMapping, name: str, form: str) -> str:
    """A count as a whole number; NULL if it is none.

    Thousands may be separated, by groups of three digits; a decimal part must be zero. JSON and Parquet have a point.
    """
    decimal = mapping.csv.decimal if form == "csv" else "."
    thousands = "," if decimal == "." else "."
    no_part = f"regexp_replace({name}, '[{decimal}]0+$', '')"
    grouped = " OR ".join(
        f"regexp_full_match({no_part}, {literal(f'[0-9]{{1,3}}({sign}[0-9]{{3}})+')})"
        for sign in (f"[{thousands}]", " ", chr(160), chr(8239), "['’]")
    )
    digits = f"regexp_replace({no_part}, '[^0-9]', '', 'g')"
    plain = f"regexp_full_match({name}, '[0-9]{{1,12}}')"
    return (
        f"CASE WHEN {plain} THEN TRY_CAST({name} AS BIGINT) "
        f"WHEN (regexp_full_match({no_part}, '[0-9]{{1,12}}') OR {grouped}) AND length({digits}) <= 12 "
        f"THEN TRY_CAST({digits} AS BIGINT) END"
    )


def known_types(mapping: FileMapping) -> str:
    """The words of `type` that count as something, in small letters, as a list of SQL."""
    return ", ".join(literal(word.lower()) for word in sorted({*mapping.types, *OPERATIONS}))
