"""SQL that turns the rows of mapped files into rows of a transactions table: events as they are, counts as such.

Of counters that are published now and then, the difference of two belongs to the time between them. The number that was
published last stands: where a later number is lower, the earlier ones were too high, and are corrected down to it.
"""

# ruff: noqa: S608 names are ours, and texts of the mapping are quoted

from collections.abc import Iterable
from datetime import UTC, datetime

from election_metrics.sources.file_mapping import FileMapping
from election_metrics.sources.mapping_expressions import literal
from election_metrics.sources.table_mapping import OPERATIONS

IS_NUMBER = "regexp_full_match(time, '-?[0-9]+([.][0-9]*)?')"
HAS_OFFSET = (  # of names of zones, the short ones stand for several
    "regexp_matches(time, ':[0-9]{2}([.][0-9]+)? *(Z|UTC|GMT|[A-Za-z_]+/[A-Za-z0-9_/+-]+|[+-][0-9:]+)$')"
)
_CALLS = {"bulletins": "blindSigIssue", "votes": "vote"}


def statements(mapping: FileMapping, first_hour: datetime, now: datetime) -> list[str]:
    """Statements that make the tables `placed`, `unclear`, `mapped` and `observed` of `said`, as of now.

    `placed`: said, with the instant. `unclear`: places that may be several (constituency, reason), of which nothing
    counts. `mapped`: the columns of a batch of a transactions table. `observed`: what counters were published.
    """
    latest = "file_number = (SELECT max(file_number) FROM said)" if mapping.latest_only else "TRUE"
    there = "TRUE"
    if mapping.snapshots:  # a group that says nothing: a ballot that has not come back, a time that is to come
        there = " OR ".join(f"{name} IS NOT NULL" for name in ["time", *mapping.counted])
    status = "coalesce(status, '')" if "" in mapping.status.outcomes() else "status"
    made = [
        "CREATE OR REPLACE TEMP TABLE clock AS "
        f"SELECT {_instant(first_hour)} AS earliest, {_instant(now)} + INTERVAL 1 DAY AS latest",
        f"CREATE OR REPLACE TEMP VIEW standing_rows AS SELECT * FROM said WHERE {latest} AND ({there})",
        _UNCLEAR,
        f"""
        CREATE OR REPLACE TEMP TABLE placed AS
        SELECT * EXCLUDE (type, status, moment), {_as_named("type", mapping.types, OPERATIONS)} AS type,
            {_as_named(status, mapping.status.outcomes())} AS status,
            CASE WHEN isfinite(moment) THEN moment END AS instant
        FROM (
            SELECT *, {_moment(mapping)} AS moment FROM standing_rows
            ANTI JOIN unclear USING (constituency)
        )
        """,
    ]
    empty_observed = (
        "SELECT NULL::VARCHAR AS constituency, NULL::VARCHAR AS counter, NULL::TIMESTAMPTZ AS observed_at, "
        "NULL::TIMESTAMPTZ AS begins_at, NULL::BIGINT AS published, NULL::BIGINT AS change, "
        "NULL::BIGINT AS replaced, NULL::BIGINT AS counted, "
        "NULL::VARCHAR AS path WHERE FALSE"
    )
    if mapping.rows == "events":
        return [*made, f"CREATE OR REPLACE TEMP TABLE observed AS {empty_observed}", _EVENTS]
    made.append(_counts_of(mapping))
    if mapping.rows == "counts":
        return [*made, f"CREATE OR REPLACE TEMP TABLE observed AS {empty_observed}", _COUNTS]
    return [*made, _opening(mapping), _OBSERVED, _COUNTERS]


def _instant(moment: datetime) -> str:
    return f"CAST('{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00' AS TIMESTAMPTZ)"


def _moment(mapping: FileMapping) -> str:
    """The instant of `time`: a number, a text with an offset, or a text in the row's zone or that of the mapping.

    A local time that a clock change leaves out is none.
    """
    named = "regexp_matches(time, '[A-Za-z]$')"
    closed_up = "regexp_replace(time, ' +([+-][0-9:]+)$', '\\1')"
    zone = f"coalesce(zone, {literal(mapping.time_zone)})"
    said = "TRY_CAST(time AS TIMESTAMP)"
    if mapping.rows == "counters" and mapping.unit == "day":  # so many by the end of the day
        said = f"({said} + CASE WHEN {said} = date_trunc('day', {said}) THEN INTERVAL 1 DAY ELSE INTERVAL 0 DAY END)"
    local = f"TRY(timezone({zone}, {said}))"
    unit = 1000 if mapping.time_unit == "ms" else 1
    return (
        f"CASE WHEN {IS_NUMBER} THEN TRY(to_timestamp(TRY_CAST(time AS DOUBLE) / {unit})) "
        f"WHEN {HAS_OFFSET} THEN TRY_CAST({closed_up} AS TIMESTAMPTZ) "
        f"WHEN {named} OR zone NOT IN (SELECT name FROM zones) THEN NULL "
        f"WHEN TRY(timezone({zone}, {local})) = {said} THEN {local} END"
    )


def _as_named(column: str, words: Iterable[str], known: Iterable[str] = ()) -> str:
    """A word as the mapping writes it, else as it is known, whatever its capitals; words that differ by them stay."""
    by_lower: dict[str, list[str]] = {}
    for word in sorted(words):
        by_lower.setdefault(word.lower(), []).append(word)
    for word in known:
        by_lower.setdefault(word.lower(), [word])
    cases = " ".join(
        f"WHEN {literal(lower)} THEN {literal(found[0])}" for lower, found in by_lower.items() if len(found) == 1
    )
    return f"CASE lower({column}) {cases} ELSE {column} END" if cases else column


# Nothing is added up of a place that may be two: what its rows say would be wrong for both.
_UNCLEAR = """
    CREATE OR REPLACE TEMP TABLE unclear AS
    WITH said_of AS (
        SELECT constituency, min(election) AS one, max(election) AS other,
            min(parts) <> max(parts) AS is_joined, arg_max(path, (file_number, line)) AS path, count(*) AS rows
        FROM standing_rows WHERE constituency IS NOT NULL GROUP BY constituency
    )
    SELECT constituency, path, rows,
        CASE
            WHEN is_joined THEN 'stands for several places, because the columns that make it join to the same text: '
                || 'set another columns.constituency.join'
            ELSE 'is in several elections (' || one || '; ' || other || '): make columns.constituency differ by '
                || 'election, or translate the names by columns.election.map'
        END AS reason
    FROM said_of WHERE is_joined OR one <> other
"""
_TIME = "coalesce(strftime(instant AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f') || '+00', 'no time: ' || time)"
_LAST = "ORDER BY file_number DESC, line DESC"
_IS_GOOD = (
    "coalesce(instant BETWEEN (SELECT earliest FROM clock) AND (SELECT latest FROM clock), FALSE) "
    "AND amount IS NOT NULL AND constituency IS NOT NULL"
)
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
    SELECT id, constituency, election, type, {_TIME} AS time, status, voter, quantity,
        CAST(NULL AS VARCHAR) AS anomaly, CAST(NULL AS VARCHAR) AS anomaly_reason
    FROM placed WHERE id IS NOT NULL
    UNION ALL
    SELECT md5(concat_ws(chr(31), constituency, time, type, coalesce(status, chr(30)), coalesce(voter, chr(30)),
            coalesce(quantity, chr(30))))
            || '-' || row_number() OVER (PARTITION BY constituency, time, type, status, voter, quantity) AS id,
        constituency, election, type, {_TIME} AS time, status, voter, quantity, NULL, NULL
    FROM placed WHERE id IS NULL
"""
# Of a place and time that several rows name, the last one stands.
_COUNTS = f"""
    CREATE OR REPLACE TEMP TABLE mapped AS
    SELECT constituency || '|' || counter || '|' || epoch_us(instant) AS id, constituency, election, call AS type,
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
    is_placed = "(constituency IS NOT NULL AND instant IS NOT NULL)"
    numbers = "list_sort(list_distinct(list(amount) OVER one_moment))"
    differ = " OR ".join(f"min({name}) OVER one_moment <> max({name}) OVER one_moment"
                         for name in ("name", "region", "registered_number"))  # fmt: skip
    return f"""
        CREATE OR REPLACE TEMP TABLE counts AS
        SELECT * REPLACE (
            CASE WHEN {is_placed} AND (len({numbers}) > 1 OR {differ}) THEN NULL ELSE amount END AS amount,
            CASE
                WHEN amount IS NULL THEN 'no whole number: ' || said_amount
                WHEN NOT {is_placed} THEN said_amount
                WHEN len({numbers}) > 1 THEN array_to_string({numbers}[:5], ' and ') || ' at one time in one file'
                WHEN {differ} THEN said_amount || ' of two names, regions or registers, at one time in one file'
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
        SELECT constituency, election, counter, call, instant AS observed_at, amount AS published, path,
            nullif(max(amount) OVER (PARTITION BY constituency, counter, instant), amount) AS replaced
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
    SELECT constituency || '|' || counter || '|' || epoch_us(observed_at) || '|' || place AS id, constituency, election,
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
        arg_max(registered_number, (coalesce(instant, '-infinity'), file_number, line))
            FILTER (
                WHERE (instant <= (SELECT latest FROM clock) OR time IS NULL)
                AND (votes IS NULL OR votes_number IS NOT NULL) AND (bulletins IS NULL OR bulletins_number IS NOT NULL)
            ) AS registered_voters,
        arg_max(coalesce(place_zone, zone), (file_number, line))
            FILTER (WHERE coalesce(place_zone, zone) IN (SELECT name FROM zones)) AS time_zone
    FROM placed
    WHERE constituency IS NOT NULL AND length(constituency) BETWEEN 1 AND 200
    GROUP BY constituency ORDER BY constituency
"""
"""Query of what the files say of each place: the last of each."""
