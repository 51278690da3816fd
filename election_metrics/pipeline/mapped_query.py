"""SQL that turns the rows of mapped files into rows of a transactions table: events as they are, counts as such.

Of counters that are published now and then, the difference of two belongs to the time between them. The number that was
published last stands: where a later number is lower, the earlier ones were too high, and are corrected down to it.
"""

# ruff: noqa: S608 names are ours, and texts of the mapping are quoted

from datetime import UTC, datetime
from pathlib import Path

from election_metrics.lake.reading import quoted
from election_metrics.sources.file_mapping import COUNTED, FileMapping
from election_metrics.sources.mapping_expressions import Expression, Value, literal

_SAID = ("constituency", "time", "zone", "place_zone", "name", "region", "election", "id", "type", "status", "voter",
         "quantity", "bulletins", "votes", "registered")  # fmt: skip
TEXTS = ("path", *_SAID)
"""Columns of the table `said`, all text; and file_number, line: whole numbers."""
CREATE_SAID = (
    f"CREATE OR REPLACE TEMP TABLE said ({', '.join(f'{name} VARCHAR' for name in TEXTS)}, file_number BIGINT, "
    "line BIGINT)"
)
_CALLS = {"bulletins": "blindSigIssue", "votes": "vote"}


def reader_of(mapping: FileMapping, file: Path, form: str, columns: list[str]) -> str:
    """The table function that reads a file, and a row number `line` with it."""
    name = quoted(str(file))
    if form == "csv":
        types = ", ".join(f"{quoted(column)}: 'VARCHAR'" for column in columns)
        quote = quoted(mapping.csv.quote)
        header = "false" if mapping.csv.header else "true"
        return (
            f"read_csv({name}, delim = {quoted(mapping.csv.delimiter)}, quote = {quote}, escape = {quote}, "
            f"header = {header}, auto_detect = false, columns = {{{types}}}, null_padding = true, parallel = false, "
            "strict_mode = false, ignore_errors = true, store_rejects = true, rejects_table = 'refused_lines', "
            "rejects_scan = 'refused_scans', rejects_limit = 0)"
        )
    if form == "parquet":
        return f"read_parquet({name})"
    if form == "jsonl":
        return (
            f"(SELECT json AS row FROM read_json_objects({name}, format = 'newline_delimited', ignore_errors = true))"
        )
    if not mapping.json_.rows:
        return f"(SELECT json AS row FROM read_json_objects({name}, format = 'array'))"
    keys = "".join(f'."{key}"' for key in mapping.json_.rows.split("."))
    return (
        f"(SELECT unnest(json_extract(json, {quoted(f'${keys}[*]')})) AS row "
        f"FROM read_json_objects({name}, format = 'unstructured'))"
    )


def cell(form: str, column: str) -> str:
    """The text of a column, without spaces around it; NULL where it is empty."""
    if form in ("json", "jsonl"):
        keys = "".join(f'."{key}"' for key in column.split("."))
        text = f"json_extract_string(row, {quoted(f'${keys}')})"
    else:
        text = 'CAST("' + column.replace('"', '""') + '" AS VARCHAR)'
    return f"nullif(trim({text}), '')"


def insert_said(mapping: FileMapping, file: Path, form: str, columns: list[str], path: str, number: int) -> str:
    """Statement that appends what a file's rows say to `said`; a row of several snapshots is there once for each."""
    groups = [dict(mapping.columns)]
    if mapping.snapshots:
        groups = [{**groups[0], **{name: value for name, value in group if value}} for group in mapping.snapshots]
    reader = reader_of(mapping, file, form, columns)
    selects = []
    for place, group in enumerate(groups, start=1):
        texts = {name: _value(group.get(name), form, path) for name in _SAID}
        if mapping.snapshots:
            texts["id"] = f"{texts['id']} || '-{place}'"
        values = ", ".join(f"{text} AS {name}" for name, text in texts.items())
        where = [f"{texts['time']} IS NOT NULL"] if mapping.snapshots else []
        where += ["row IS NOT NULL"] if form in ("json", "jsonl") else []
        selects.append(
            f"SELECT {literal(path)} AS path, {values}, {number} AS file_number, line "
            f"FROM (SELECT *, row_number() OVER () AS line FROM {reader})"
            + (f" WHERE {' AND '.join(where)}" if where else "")
        )
    return f"INSERT INTO said BY NAME {' UNION ALL '.join(selects)}"


def _value(value: Value | None, form: str, path: str) -> str:
    if value is None:
        return "CAST(NULL AS VARCHAR)"
    return Expression.of(value).sql(lambda column: cell(form, column), literal(path))


def statements(mapping: FileMapping, now: datetime) -> list[str]:
    """Statements that make the tables `placed`, `mapped` and `observed` of `said`, as of now.

    `placed`: said, with moment, and each number as a whole number. `mapped`: the columns of a batch of a transactions
    table. `observed`: what counters were published.
    """
    unit = 1000 if mapping.time_unit == "ms" else 1
    number = "regexp_full_match(time, '-?[0-9]+([.][0-9]*)?')"
    moment = (
        f"CASE WHEN {number} THEN TRY(to_timestamp(TRY_CAST(time AS DOUBLE) / {unit})) "
        "WHEN zone NOT IN (SELECT name FROM pg_timezone_names()) THEN NULL "
        "WHEN zone IS NOT NULL THEN TRY(timezone(zone, TRY_CAST(time AS TIMESTAMP))) "
        "ELSE TRY_CAST(time AS TIMESTAMPTZ) END"
    )
    numbers = ", ".join(f"{_whole(mapping, name)} AS {name}_number" for name in (*COUNTED, "registered"))
    latest = "WHERE file_number = (SELECT max(file_number) FROM said)" if mapping.latest_only else ""
    made = [
        "CREATE OR REPLACE TEMP TABLE clock AS "
        f"SELECT CAST('{now.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00' AS TIMESTAMPTZ) + INTERVAL 1 DAY AS latest",
        f"CREATE OR REPLACE TEMP TABLE placed AS SELECT *, "
        f"CASE WHEN isfinite(moment) THEN moment END AS instant, {numbers} "
        f"FROM (SELECT *, {moment} AS moment FROM said {latest})",
    ]
    empty_observed = (
        "SELECT NULL::VARCHAR AS constituency, NULL::VARCHAR AS counter, NULL::TIMESTAMPTZ AS observed_at, "
        "NULL::TIMESTAMPTZ AS begins_at, NULL::BIGINT AS published, NULL::BIGINT AS change, NULL::BIGINT AS counted, "
        "NULL::VARCHAR AS path WHERE FALSE"
    )
    if mapping.rows == "events":
        return [*made, f"CREATE OR REPLACE TEMP TABLE observed AS {empty_observed}", _EVENTS]
    made.append(_counts_of(mapping))
    if mapping.rows == "counts":
        return [*made, f"CREATE OR REPLACE TEMP TABLE observed AS {empty_observed}", _COUNTS]
    return [*made, _opening(mapping), _OBSERVED, _COUNTERS]


def _whole(mapping: FileMapping, name: str) -> str:
    """A count as a whole number, whatever separates thousands; NULL if it is none."""
    thousands = "," if mapping.csv.decimal == "." else "."
    text = f"replace(replace(replace({name}, '{thousands}', ''), ' ', ''), chr(160), '')"
    text = f"regexp_replace({text}, '[{mapping.csv.decimal}]0+$', '')"
    return f"CASE WHEN regexp_full_match({text}, '[0-9]{{1,12}}') THEN CAST({text} AS BIGINT) END"


_TIME = "coalesce(strftime(instant AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f') || '+00', 'no time: ' || time)"
_LAST = "ORDER BY file_number DESC, line DESC"
_IS_GOOD = "coalesce(instant <= (SELECT latest FROM clock), FALSE) AND amount IS NOT NULL AND constituency IS NOT NULL"
# What is no number or has no time is told, counts as nothing, and replaces nothing.
_REST = f"""
    SELECT concat_ws('|', constituency, counter, file_number, line), constituency, election, call, {_TIME}, NULL, NULL,
        coalesce(CAST(amount AS VARCHAR), said_amount), NULL, NULL
    FROM counts
    WHERE NOT ({_IS_GOOD})
"""
# A row without an id is its own: told apart from equal ones by how many there are.
_EVENTS = f"""
    CREATE OR REPLACE TEMP TABLE mapped AS
    SELECT coalesce(id, md5(concat_ws(chr(31), constituency, time, type, coalesce(status, ''), coalesce(voter, ''),
            coalesce(quantity, '')))
            || '-' || row_number() OVER (PARTITION BY constituency, time, type, status, voter, quantity)) AS id,
        constituency, election, type, {_TIME} AS time, status, voter, quantity,
        CAST(NULL AS VARCHAR) AS anomaly, CAST(NULL AS VARCHAR) AS anomaly_reason
    FROM placed
"""
# Of a place and time that several rows name, the last one stands.
_COUNTS = f"""
    CREATE OR REPLACE TEMP TABLE mapped AS
    SELECT constituency || '|' || counter || '|' || epoch_ms(instant) AS id, constituency, election, call AS type,
        {_TIME} AS time, CAST(NULL AS VARCHAR) AS status, CAST(NULL AS VARCHAR) AS voter,
        CAST(amount AS VARCHAR) AS quantity, CAST(NULL AS VARCHAR) AS anomaly, CAST(NULL AS VARCHAR) AS anomaly_reason
    FROM (
        SELECT * FROM counts WHERE {_IS_GOOD}
        QUALIFY row_number() OVER (PARTITION BY constituency, counter, instant {_LAST}) = 1
    )
    WHERE amount > 0
    UNION ALL
    {_REST}
"""


def _counts_of(mapping: FileMapping) -> str:
    selects = [
        f"SELECT *, '{name}' AS counter, '{_CALLS[name]}' AS call, {name}_number AS amount, {name} AS said_amount "
        f"FROM placed WHERE {name} IS NOT NULL"
        for name in mapping.counted
    ]
    # Two numbers of one place and time in one file: nobody can say which is right, or they are of two places.
    numbers = "list_sort(list_distinct(list(amount) OVER one_moment))"
    return f"""
        CREATE OR REPLACE TEMP TABLE counts AS
        SELECT * REPLACE (
            CASE WHEN len({numbers}) > 1 THEN NULL ELSE amount END AS amount,
            CASE
                WHEN len({numbers}) > 1 THEN array_to_string({numbers}[:5], ' and ') || ' at one time in one file'
                ELSE said_amount
            END AS said_amount
        )
        FROM ({" UNION ALL ".join(selects)})
        WINDOW one_moment AS (PARTITION BY constituency, counter, instant, path)
    """


def _opening(mapping: FileMapping) -> str:
    """The table `opening`: begins, ends of the spans in which voting is open; none: always."""
    spans = ", ".join(
        f"('{begin:%Y-%m-%d %H:%M:%S}', '{end:%Y-%m-%d %H:%M:%S}')" for begin, end in mapping.opening_hours
    )
    rows = (
        f"SELECT * FROM (VALUES {spans}) AS span (begins, ends)"
        if spans
        else "SELECT '' AS begins, '' AS ends WHERE FALSE"
    )
    return (
        "CREATE OR REPLACE TEMP TABLE opening AS "
        f"SELECT CAST(begins AS TIMESTAMPTZ) AS begins, CAST(ends AS TIMESTAMPTZ) AS ends FROM ({rows})"
    )


_OBSERVED = f"""
    CREATE OR REPLACE TEMP TABLE observed AS
    WITH standing AS (
        SELECT constituency, election, counter, call, instant AS observed_at, amount AS published, path
        FROM counts
        WHERE {_IS_GOOD}
        QUALIFY row_number() OVER (PARTITION BY constituency, counter, instant {_LAST}) = 1
    ), bounded AS (
        SELECT *,
            min(published) OVER (
                PARTITION BY constituency, counter ORDER BY observed_at ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
            ) AS counted
        FROM standing
    )
    SELECT *,
        coalesce(
            lag(observed_at) OVER so_far, (SELECT min(begins) FROM opening WHERE begins < observed_at),
            observed_at - INTERVAL 1 HOUR
        ) AS begins_at,
        published - lag(published) OVER so_far AS change,
        counted - coalesce(lag(counted) OVER so_far, 0) AS amount
    FROM bounded
    WINDOW so_far AS (PARTITION BY constituency, counter ORDER BY observed_at)
"""
# The hours of an interval in which voting is open; if there is none, the one that ends it.
_COUNTERS = f"""
    CREATE OR REPLACE TEMP TABLE mapped AS
    WITH numbered AS (
        SELECT *, epoch_ms(begins_at) // 3600000 AS first, (epoch_ms(observed_at) - 1) // 3600000 AS last FROM observed
    ), every_hour AS (
        SELECT *, unnest(range(first, last + 1)) AS hour FROM numbered
    ), open_hours AS (
        SELECT * FROM every_hour
        WHERE NOT EXISTS (SELECT 1 FROM opening) OR EXISTS (
            SELECT 1 FROM opening
            WHERE epoch_ms(begins) < (hour + 1) * 3600000 AND epoch_ms(ends) > hour * 3600000
        )
    ), kept AS (
        SELECT * FROM open_hours
        UNION ALL
        SELECT *, last AS hour FROM numbered
        ANTI JOIN open_hours USING (constituency, counter, observed_at)
    ), shared AS (
        SELECT *,
            row_number() OVER (PARTITION BY constituency, counter, observed_at ORDER BY hour) AS place,
            count(*) OVER (PARTITION BY constituency, counter, observed_at) AS hours
        FROM kept
    )
    SELECT constituency || '|' || counter || '|' || epoch_ms(observed_at) || '|' || place AS id, constituency, election,
        call AS type,
        strftime(make_timestamp(greatest(hour * 3600000, epoch_ms(begins_at)) * 1000), '%Y-%m-%d %H:%M:%S.%f') || '+00'
            AS time,
        CAST(NULL AS VARCHAR) AS status, CAST(NULL AS VARCHAR) AS voter,
        CAST(amount * place // hours - amount * (place - 1) // hours AS VARCHAR) AS quantity,
        CAST(NULL AS VARCHAR) AS anomaly, CAST(NULL AS VARCHAR) AS anomaly_reason
    FROM shared
    WHERE amount * place // hours > amount * (place - 1) // hours
    UNION ALL
    {_REST}
"""
PLACES = """
    SELECT constituency AS constituency_id,
        arg_max(name, (file_number, line)) AS name, arg_max(region, (file_number, line)) AS region,
        arg_max(election, (file_number, line)) AS election,
        arg_max(registered_number, (instant, file_number, line))
            FILTER (WHERE instant <= (SELECT latest FROM clock) OR time IS NULL)
            AS registered_voters,
        arg_max(coalesce(place_zone, zone), (file_number, line)) AS time_zone
    FROM placed
    WHERE constituency IS NOT NULL AND length(constituency) BETWEEN 1 AND 200
    GROUP BY constituency ORDER BY constituency
"""
"""Query of what the files say of each place: the last of each."""
